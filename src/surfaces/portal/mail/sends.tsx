import { Hono } from 'hono'
import { SEND_STATES } from '../../../core/policy/states.ts'
import { listSends, type Send } from '../../../core/sending/sends.ts'
import type { Portal } from '../context.ts'
import { Field, optionsOf } from '../parts/fields.tsx'
import { asked, Filter, Listing, pageById } from '../parts/list.tsx'
import { Badge, recipientsInShort, Time, words } from '../parts/text.tsx'
import { page } from '../shell.tsx'

/** The list of all sends. */
export const sends = new Hono<Portal>()

sends.get('/sends', async (c) => {
  const [state, recipient, mailboxId, template] = ['state', 'to', 'mailbox', 'template'].map((name) =>
    asked(c, name),
  )
  const known = SEND_STATES.find((each) => each === state)
  const found = await pageById(c, (part) =>
    listSends(c.var.ctx, {
      states: known && [known],
      recipient: recipient?.includes('@') ? recipient : undefined,
      mailboxId,
      template,
      ...part,
    }),
  )
  return await page(
    c,
    'Sends',
    <>
      <Filter>
        <Field
          c={c}
          label="State"
          name="state"
          value={known}
          options={[['', 'any'], ...optionsOf(SEND_STATES)]}
        />
        <Field c={c} label="Recipient" name="to" value={recipient} attributes={{ type: 'email' }} />
        <Field c={c} label="Template" name="template" value={template} />
      </Filter>
      <Listing
        c={c}
        of={found}
        caption="Sends"
        head={['To', 'State', 'Why', 'Template', 'Requested']}
        row={cellsOf}
      >
        No send matches.
      </Listing>
    </>,
  )
})

const cellsOf = (send: Send) => [
  <a href={`/portal/sends/${send.id}`}>{recipientsInShort(send)}</a>,
  <Badge state={send.state} />,
  words(send.reason ?? ''),
  send.template ?? '',
  <Time at={send.createdAt} />,
]
