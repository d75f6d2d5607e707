import { expect, test } from 'vitest'
import { isTerminal, SEND_STATES, STATES, statesIn, statesWhere } from '../../src/core/policy/states.ts'

test('a state is terminal exactly if only a signal or a replay can still change it', () => {
  for (const state of SEND_STATES) {
    const { movedBy } = STATES[state]
    const isMovedOn = movedBy.some((mover) => mover !== 'signal' && mover !== 'replay')
    expect([state, isTerminal(STATES[state])]).toEqual([state, !isMovedOn])
  }
})

test('a send may be cancelled until its delivery begins', () => {
  expect(statesWhere(({ movedBy }) => movedBy.includes('cancel'))).toEqual([
    ...['scheduled', 'pending_approval', 'queued', 'rendering', 'ready', 'claimed', 'retry_wait'],
  ])
})

test('the states of sends that were not accepted are exactly those answered as blocked', () => {
  const refused = ['judging', 'blocked', 'failed', 'cancelled', 'rejected']
  expect(statesWhere(({ isAccepted }) => !isAccepted)).toEqual(refused)
  expect(statesWhere(({ countedAs }) => countedAs.answer === 'blocked')).toEqual(refused)
})

test('exactly one queue advances each waiting send; only a held send has two, one before and one after rendering', () => {
  const queued = (state: keyof typeof STATES) =>
    STATES[state].movedBy.filter((mover) => ['decide', 'render', 'deliver'].includes(mover))
  expect(SEND_STATES.filter((state) => queued(state).length > 1)).toEqual(['pending_approval'])
  expect(SEND_STATES.filter((state) => queued(state).length === 0)).toEqual(statesWhere(isTerminal))
})

test('a list of states is written in parentheses for SQL', () => {
  expect(statesIn(({ isOut }) => isOut)).toBe("('accepted', 'delivered', 'bounced', 'complained')")
})
