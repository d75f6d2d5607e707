/** Related words of business mail, one concept a line. */
const GROUPS = `
invoice bill receipt statement billing
pay payment remit transfer settle wire
refund reimburse reimbursement repay chargeback
price cost fee rate charge quote quotation pricing tariff
discount rebate coupon voucher promo
buy purchase order procure acquire
sell sale deal vendor
contract agreement nda terms
sign signature signed execute
cancel terminate discontinue stop unsubscribe withdraw
renew renewal extend extension prolong
subscribe subscription plan membership
meet meeting call appointment session sync standup
schedule reschedule calendar slot availability postpone
deadline due overdue expire expiry
remind reminder nudge followup chase
ship shipment deliver delivery dispatch courier parcel package freight
track tracking trace
return exchange rma
broken damaged defective faulty cracked
bug defect error fault glitch crash failure issue problem
fix repair resolve solve patch mend
outage downtime unavailable offline incident
slow latency lag sluggish performance
login signin password credential passcode authenticate authentication
account profile user
access permission authorization authorise authorize
security breach vulnerability exploit hack phishing leak
delete remove erase purge
backup restore recover recovery
server machine host instance
upgrade update release version
install setup configure deploy deployment rollout
job position role vacancy opening career
hire hiring recruit recruitment recruiter
candidate applicant resume cv
interview screening
salary wage pay compensation payroll remuneration
holiday vacation leave pto absence
late delay delayed postpone
sick ill illness doctor medical
resign resignation quit notice
team staff crew personnel colleague
boss manager supervisor lead
customer client buyer
supplier vendor provider
report summary recap digest overview
meeting minutes notes
budget finance forecast spend spending
tax vat irs fiscal
audit review inspection compliance
lawyer attorney legal counsel solicitor
lawsuit litigation court dispute sue
insurance policy coverage claim premium
travel trip journey itinerary
flight airline plane boarding
hotel lodging accommodation room
train rail railway
luggage suitcase baggage bag
car vehicle automobile rental
door gate entrance badge key card
office workplace building premises
lunch dinner meal catering restaurant food menu
bread bake flour dough oven sourdough crust
party celebration event gathering
birthday anniversary
gift present
photo picture image photograph
video recording footage clip
document file attachment paper
presentation slides deck keynote
survey questionnaire poll feedback
complain complaint dissatisfied unhappy
thank thanks gratitude grateful appreciate
apology sorry apologize apologise regret
approve approval accept confirm confirmation
reject refuse decline deny
question inquiry enquiry query
help support assist assistance
train training course workshop seminar webinar
school university college
rent lease tenant landlord apartment flat
house home property estate
money fund funding capital investment investor
loan credit debt mortgage
phone mobile telephone cell
computer laptop notebook desktop
print printer toner
internet network wifi connection broadband
website site webpage homepage
newsletter bulletin announcement
launch introduce debut unveil
test trial pilot experiment
design logo mockup prototype wireframe
write draft compose
translate translation localize
data dataset database records
`

/** For each stem of a word above, the numbers of its concepts. */
export function conceptsOf(stem: (word: string) => string): Map<string, number[]> {
  const found = new Map<string, number[]>()
  for (const [number, line] of GROUPS.trim().split('\n').entries()) {
    for (const root of new Set(line.split(' ').map(stem))) {
      found.set(root, [...(found.get(root) ?? []), number])
    }
  }
  return found
}
