import { may } from '../../../core/ground/ctx.ts'
import { PENDING_MS } from '../../../core/payments/bonds/attend.ts'
import { BOND_AMOUNTS, type Bond, type BondTier } from '../../../core/payments/bonds/bond.ts'
import type { PortalContext } from '../context.ts'
import { Field, type Option } from '../parts/fields.tsx'
import { ButtonForm, Form, Submit } from '../parts/forms.tsx'
import { Listing } from '../parts/list.tsx'
import { Badge, Time, words } from '../parts/text.tsx'

export const TIERS = Object.keys(BOND_AMOUNTS) as BondTier[]

const REASONS: Record<string, string> = {
  never_confirmed: 'no card was entered within a day',
  setup_canceled: 'the card was not entered',
  provider_unreachable: 'the money could not be reserved again for a day',
  captured_elsewhere: 'taken at the payment provider',
}

type BondsProps = { c: PortalContext; bonds: Bond[]; next: string | null }

/** The bonds of the account. One without its money can still be withdrawn. */
export function Bonds({ c, bonds, next }: BondsProps) {
  const mayManage = may(c.var.ctx, 'manage')
  return (
    <Listing
      c={c}
      of={{ shown: bonds, next }}
      caption="Bonds"
      head={['Bond', 'Amount', 'State', 'Posted', 'Next renewal', 'Ended', '']}
      row={(bond) => [
        bond.tier,
        dollars(bond.amountUsdCents),
        <>
          <Badge state={bond.status} /> {reasonOf(bond)}
        </>,
        <Posted bond={bond} />,
        bond.nextReauthAt ? <Time at={bond.nextReauthAt} /> : '',
        bond.endedAt ? <Time at={bond.endedAt} /> : '',
        mayManage && bond.status === 'pending' ? (
          <PendingForms c={c} bond={bond} />
        ) : bond.status === 'posted' ? (
          <span class="soft">held until the operator releases it</span>
        ) : null,
      ]}
    >
      No bond has been posted.
    </Listing>
  )
}

/** When the bond was posted or, while it is pending, what it waits for. */
function Posted({ bond: { postedAt, status, paymentMethodId, createdAt } }: { bond: Bond }) {
  if (postedAt) return <Time at={postedAt} />
  if (status !== 'pending') return null
  if (paymentMethodId !== null) return <>not yet: the money is being reserved</>
  return (
    <>
      no card yet; the bond expires at <Time at={new Date(createdAt.getTime() + PENDING_MS)} />
    </>
  )
}

function PendingForms({ c, bond }: { c: PortalContext; bond: Bond }) {
  const needsCard = bond.provider === 'stripe' && bond.paymentMethodId === null
  return (
    <div class="row">
      {needsCard ? (
        <Form c={c} action="/portal/billing/bonds">
          <input type="hidden" name="tier" value={bond.tier} />
          <button class="small primary" type="submit">
            Enter the card <span class="visually-hidden">for the bond {bond.tier}</span>
          </button>
        </Form>
      ) : null}
      <ButtonForm
        c={c}
        action={`/portal/billing/bonds/${bond.id}/withdraw`}
        class="small danger"
        confirm="Withdraw this bond?"
        about={`the bond ${bond.tier}`}
      >
        Withdraw
      </ButtonForm>
    </div>
  )
}

export function BondForm({ c }: { c: PortalContext }) {
  return (
    <Form c={c} action="/portal/billing/bonds" class="card">
      <h3>Post a bond</h3>
      <Field
        c={c}
        label="Amount"
        name="tier"
        hint="The amount is reserved on your card, again every seven days, and charged only in case of abuse."
        options={TIERS.map((tier): Option => [tier, `${tier}: ${dollars(BOND_AMOUNTS[tier])}`])}
      />
      <Submit>Post the bond</Submit>
    </Form>
  )
}

/** The state of a bond, for an owner who has just entered a card. */
export function stateInWords(bond: Bond): string {
  if (bond.status === 'posted') return 'The bond is posted: the money is reserved.'
  if (bond.status !== 'pending') return `The bond is not posted: ${reasonOf(bond) || bond.status}.`
  return 'The bond will be posted within a minute, once the payment provider confirms the card.'
}

const reasonOf = ({ reason }: Bond) => (reason === null ? '' : (REASONS[reason] ?? words(reason)))

export const dollars = (cents: number) =>
  new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD', maximumFractionDigits: 0 }).format(
    cents / 100,
  )
