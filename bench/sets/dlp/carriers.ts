/** Sentences that carry a secret, `@` being where it stands. The held-out ones were written before anything was run. */
export const CARRIERS = {
  tuning: [
    'Hi Tom, as promised: @ — please keep it to yourself.',
    'Please find below what you asked for.\n\n@\n\nRegards, Ines',
    'config:\n  value: "@"\n  region: eu-west-1',
    '{"id": 17, "note": "@", "at": "2026-03-04T10:00:00Z"}',
    'I pasted it into the ticket (@) and closed it.',
    '| name | value |\n| --- | --- |\n| main | @ |',
    'Fwd: Re: setup\n> On Monday you wrote:\n> @\n> Thanks',
  ],
  heldOut: [
    'Could you check whether @ still works? It did last week.',
    'export VALUE=@\n./deploy.sh --now',
    'Customer dictated over the phone: @, repeated twice to be sure.',
    'See attached minutes. Item 4: @. Item 5: lunch.',
    "curl -H 'X-Value: @' https://api.internal/v2/things",
    'Betreff: Zugang\nHallo Jens, hier ist es: @\nGruß, Mia',
    '<note><to>Ops</to><body>@</body></note>',
  ],
}

/** Ordinary writing with nothing to find: numbers, identifiers and words of the trade. */
export const HARMLESS = {
  tuning: [
    'Your order 4021-7781-9943 ships on 2026-11-24 and should arrive by 2026-11-29.',
    'Call me at +49 30 1234 5678 or (415) 555-0132 after 16:30.',
    'Tracking: 1Z999AA10123456784, parcel 2 of 3, 4.75 kg.',
    'The build took 123456789 ns; commit 9fceb02d0ae598e95dc970b74767f19372d61af8 is green.',
    'Invoice 2026-000417 over EUR 1,250.00 is due in 14 days.',
    'UUID 550e8400-e29b-41d4-a716-446655440000 was retried 3 times.',
    'Use the placeholder sk_live_xxxxxxxxxxxxxxxxxxxxxxxx in the docs, never a key.',
    'AKIAIOSFODNN7EXAMPLE is what the manual prints.',
    'The sum is 4111 1111 1111 1112 in fantasy coins.',
    'Set GITHUB_TOKEN to ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx and run again.',
    'Lat 52.520008, lon 13.404954; altitude 34.5 m; pi is 3.141592653589793.',
    'DE89 3704 0044 0532 0130 01 fails the check, the bank says.',
    'A reference such as 078-05-1120 was printed in wallets once.',
    'Ring buffer: 0123456789abcdef0123456789abcdef is the md5 of nothing.',
    'ISBN 978-3-16-148410-0 and EAN 4006381333931 are on the cover.',
  ],
  heldOut: [
    'Meeting id 842 5561 0937, passcode on the invite; 12 people said yes.',
    'Serial SN-4539-5787-6362-1487 belongs to the printer on floor 3.',
    'Our VAT number is DE136695976 and the register entry HRB 12345.',
    'The file is 734003200 bytes; sha256 starts with e3b0c44298fc1c14.',
    'postgres://app:password@localhost:5432/dev is for your laptop only.',
    'Write "-----BEGIN PRIVATE KEY-----" above it and the matching line below.',
    'ABA is the American Bar Association; its office line is 312988500.',
    'Room 219-09 on floor 9, desk 9999; the code is 2026-44-1234.',
    'The header is eyJhbGciOiJIUzI1NiJ9 and then come the claims.',
    'npm_config_registry and npm_lifecycle_event are set by npm itself.',
    'Twilio is down; their status page says incident 20261121.',
    'A hex colour like #deadbeef or 0xcafebabe is nobody’s secret.',
    'AccountKey=<your key here>;EndpointSuffix=core.windows.net',
    'sk-ant is a prefix, and so is sk-proj; keys are longer than that.',
    'Flight LH 2034 on 24.12., seat 17A, booking X7K2PQ, ticket 220-2403561234.',
  ],
}
