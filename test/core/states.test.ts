import { expect, test } from 'vitest'
import { isTerminal, SEND_STATES, STATES, statesIn, statesWhere } from '../../src/core/policy/states.ts'

test('a send is terminal exactly in the states that nobody moves on, a signal or a replay apart', () => {
  for (const state of SEND_STATES) {
    const { movedBy } = STATES[state]
    const isMovedOn = movedBy.some((mover) => mover !== 'signal' && mover !== 'replay')
    expect([state, isTerminal(STATES[state])]).toEqual([state, !isMovedOn])
  }
})

test('a send may be cancelled until it begins to leave', () => {
  expect(statesWhere(({ movedBy }) => movedBy.includes('cancel'))).toEqual([
    ...['scheduled', 'pending_approval', 'queued', 'rendering', 'ready', 'claimed', 'retry_wait'],
  ])
})

test('a send that was not accepted frees its dedupe key, and is answered as blocked', () => {
  const refused = ['judging', 'blocked', 'failed', 'cancelled', 'rejected']
  expect(statesWhere(({ isAccepted }) => !isAccepted)).toEqual(refused)
  expect(statesWhere(({ countedAs }) => countedAs.answer === 'blocked')).toEqual(refused)
})

test('one queue moves on each send that waits; only a held one has two, before and after it is rendered', () => {
  const queued = (state: keyof typeof STATES) =>
    STATES[state].movedBy.filter((mover) => ['decide', 'render', 'deliver'].includes(mover))
  expect(SEND_STATES.filter((state) => queued(state).length > 1)).toEqual(['pending_approval'])
  expect(SEND_STATES.filter((state) => queued(state).length === 0)).toEqual(statesWhere(isTerminal))
})

test('a list of states is told to SQL in parentheses', () => {
  expect(statesIn(({ isOut }) => isOut)).toBe("('accepted', 'delivered', 'bounced', 'complained')")
})
