import { Hono } from 'hono'
import { type ApprovalStatus, listApprovals } from '../../../core/sending/approvals.ts'
import type { Portal } from '../context.ts'
import { Field, type Option } from '../parts/fields.tsx'
import { asked, Filter, Listing, pageOf } from '../parts/list.tsx'
import { recipientsInShort, Time, words } from '../parts/text.tsx'
import { page } from '../shell.tsx'

const STATUSES: ApprovalStatus[] = ['pending', 'approved', 'rejected', 'expired', 'superseded']

/** The list of approvals: at first those that are pending. */
export const approvals = new Hono<Portal>()

approvals.get('/approvals', async (c) => {
  const status = STATUSES.find((each) => each === asked(c, 'status')) ?? 'pending'
  const isPending = status === 'pending'
  const found = await pageOf(
    c,
    (part) => listApprovals(c.var.ctx, { status, ...part }),
    ({ approval }) => approval.id,
  )
  return await page(
    c,
    'Approvals',
    <>
      <Filter>
        <Field
          c={c}
          label="Status"
          name="status"
          value={status}
          options={STATUSES.map((each): Option => [each, each === 'pending' ? 'waiting' : each])}
        />
      </Filter>
      <div id="approvals" data-live="approval">
        <Listing
          c={c}
          of={found}
          caption="Approvals"
          head={['To', 'Why it is held', 'Held since', isPending ? 'Decide by' : 'Decided']}
          row={({ approval, send }) => [
            <a href={`/portal/approvals/${approval.id}`}>{recipientsInShort(send)}</a>,
            words(approval.holdReason),
            <Time at={approval.createdAt} />,
            <Time at={isPending ? approval.expiresAt : approval.decidedAt} />,
          ]}
        >
          {isPending ? 'No message is waiting for you.' : `No message is ${status}.`}
        </Listing>
      </div>
    </>,
  )
})
