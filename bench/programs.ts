export type Kind = 'prove' | 'eval'
type Program = {
  /** The file `bench/<kind>/<name>.ts`. */
  name: string
  /** What it shows, in one sentence. */
  does: string
  /** Whether it needs the packages of `bench/package.json`. */
  needsPackages?: true
}

/** Programs that take too long, or need too much, for `npm test`. */
export const PROGRAMS: Record<Kind, Program[]> = {
  prove: [
    {
      name: 'attacks',
      does: 'Attacks a running server as a caller with few rights; no attack gains anything.',
    },
    { name: 'audit', does: 'Finds the first wrong line in each of 2,000 tampered audit logs.' },
    {
      name: 'authority',
      does: 'Lets changes of rights race against their use; nothing that begins after a change is let through.',
    },
    {
      name: 'contract',
      does: "Calls every operation of MailMolt's published OpenAPI document with Specmatic and Prism (needs Java 17).",
      needsPackages: true,
    },
    {
      name: 'crash',
      does: 'Kills the server at random moments; no send is lost, and none is delivered twice (10 minutes).',
    },
    { name: 'egress', does: 'Points webhooks at private addresses; none of these addresses is ever called.' },
    { name: 'html', does: 'Opens script attacks in Chromium; after sanitising, none of them runs.' },
    {
      name: 'inbound',
      does: 'Sends mail through exim4 to the Worker, and reads it back (needs swaks and exim4).',
    },
    { name: 'leases', does: 'Reads the history of a contact and checks that one agent held it at a time.' },
    { name: 'mcp', does: "Checks /mcp with the protocol's own Inspector and conformance suite." },
    { name: 'mime', does: 'Reads a folder of mails and 10,000 mutations of them; no text is lost.' },
    { name: 'portal', does: 'Measures how fast the portal shows an overview of 10,000 sends.' },
    {
      name: 'webhooks',
      does: 'Publishes events to a healthy, a failing and a hanging endpoint; none is lost.',
    },
  ],
  eval: [
    {
      name: 'bounces',
      does: 'How often a bounce is read as people labelled it: hard or soft, and its status.',
    },
    { name: 'dlp', does: 'Recall and precision of each DLP rule, and the time that 10 MB take.' },
    {
      name: 'house',
      does: 'Counts the source of one commit or of several: size, long functions, SQL, repeats.',
    },
    { name: 'injection', does: 'Recall and false alarms of the score for prompt injection.' },
    { name: 'intent', does: 'Accuracy and confusion of the embedded intent classifier.' },
    { name: 'search', does: 'Ranking quality (nDCG@10) of search by words, by embedding, and by both.' },
  ],
}
