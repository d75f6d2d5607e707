import { phrases } from './phrases.ts'

export type BounceReason =
  | 'user_unknown'
  | 'host_unknown'
  | 'host_refuses_mail'
  | 'moved'
  | 'mailbox_full'
  | 'mailbox_disabled'
  | 'message_too_big'
  | 'rate_limited'
  | 'virus'
  | 'authentication'
  | 'spam'
  | 'blocked'
  | 'relay_denied'
  | 'policy'
  | 'content'
  | 'filtered'
  | 'refused'
  | 'protocol'
  | 'system'
  | 'network'
  | 'expired'
  | 'undetermined'

export type Row = {
  reason: BounceReason
  /** The address accepts no mail and never will. Only these bounces are hard. */
  isHard?: true
  /** Servers also answer this when a filter rejected the mail. A more specific sign goes before it. */
  isDoubtful?: true
  phrase?: RegExp
  status?: RegExp
  code?: RegExp
}

/**
 * Why mail bounces. A matching phrase decides before a status (RFC 3463, RFC 5248 and Microsoft's longer ones), and a
 * status before a reply code. The first matching row wins. Reasons that the sender or time can cure come before those
 * that end an address, so that a doubtful text is soft. In phrases, `~` is a host name and `@` an address.
 */
export const REASONS: Row[] = [
  {
    reason: 'rate_limited',
    phrase: phrases(`
      too many (messages|e?mails|recipients|connections|concurrent|sessions|unknown|invalid|errors|requests)
      rate[ -]?limit
      at a rate
      throttl
      (hourly|daily|hour|day) … (limit|quota)
      exceed … (rate|messages per|connections|limit of)
      unexpected volume
      unusual rate
      slow down
      gr[ae]y-?list
    `),
    status: /^[45]\.7\.28$|^4\.7\.0$/,
    code: /^421$/,
  },
  {
    reason: 'message_too_big',
    phrase: phrases(`
      (message|mail|size|body|attachments?)\\b … too (big|large|long)
      (message|mail|size) … exceed … (size|maximum|limit|bytes)
      exceed … (message|mail|maximum) … size
      (size|length) (limit|restriction)
    `),
    status: /^[45]\.(?:2\.3|3\.4)$/,
  },
  {
    reason: 'mailbox_full',
    phrase: phrases(`
      (mail ?|in|mail-)box … (full|over quota|exceed)
      (maildir|mail folder|mail ?store|storage|account|disk space|user)\\b … (is full|over … quota)
      (over|out of|beyond)[ -](the )?(disk |storage |mail )?quota
      overquota
      quota … (exceed|full|reached|violat)
      exceed … (quota|storage)
      (not enough|insufficient|out of) (mailbox |mail )?(storage|space)
      bo[iî]te … pleine
      postfach … voll
    `),
    status: /^[45]\.2\.2$/,
  },
  { reason: 'virus', phrase: phrases('virus|malware|infected|trojan|dangerous (file|attachment)') },
  {
    reason: 'authentication',
    phrase: phrases(`
      (dmarc|spf|dkim)\\b
      sender policy framework
      sender id … fail
      unauthenticated (e?-?mail|message)
      domain … authentic
    `),
    status: /^[45]\.7\.(?:2[0-46]|509|515)$/,
  },
  {
    reason: 'spam',
    phrase: phrases(`
      (anti-?)?spam
      junk ?mail
      unsolicited
      bulk (e?-?mail|messages)
      blacklisted url
      phish
      content filter
      message … (looks like|classified|identified|considered|detected)
    `),
  },
  {
    reason: 'relay_denied',
    phrase: phrases(`
      relay … (denied|prohibit|not (permitted|allowed)|refused|disallowed)
      (not (permitted|allowed)|unable|cannot|can't|will not|refuse) to relay
      relay access
      not (an? )?(open relay|gateway)
      domain isn'?t in my list
      mail loop
      too many hops
      hop count
    `),
    status: /^[45]\.4\.6$|^5\.7\.64$/,
  },
  {
    reason: 'blocked',
    phrase: phrases(`
      blocked\\b
      (block|black|deny)[ -]?list
      (dns|r)bl\\b
      banned
      (reverse[ -]|r)(dns|lookup|hostname)
      (no|missing|invalid) ptr
      client host
      (your|sending|this|from) (ip|host|server|network|domain|address)\\b … (block|reject|refus|banned|denied|not (allowed|accepted|permitted))
      connection (rejected|refused by policy)
      refused to talk
      cannot find your (hostname|reverse)
      helo … (rejected|invalid)
      (?<!recipient address rejected: )access denied
      reputation
    `),
    status: /^[45]\.7\.(?:25|60\d|511)$/,
  },
  {
    reason: 'host_refuses_mail',
    isHard: true,
    phrase: phrases(`
      (host|domain|server|system) (~ )?(does not|doesn'?t|never|will not) (accept|receive) (any )?(e-?mail|mail|messages)
      (not accepting|no longer accepts?|does not accept) (network messages|e?-?mail)
      null ?mx
      no mx (record )?found
      no smtp service
    `),
    status: /^5\.1\.10$/,
    code: /^(?:521|556)$/,
  },
  {
    reason: 'policy',
    phrase: phrases(`
      polic(y|ies)
      authentication (is )?required
      unauthenticated senders?
      (smtp|must|need to) authenticat
      requires? (tls|encryption|starttls)
      administrative(ly)? prohibit
      security reasons
      not authori[sz]ed
      sender … (rejected|denied|not allowed|invalid|verify|does not exist|unknown|not exist)
      (mail )?from … (rejected|denied|not allowed)
    `),
    status: /^[45]\.1\.[78]$/,
  },
  {
    reason: 'network',
    phrase: phrases(`
      malformed or unexpected name server
      (host|domain) … (try again|temporary lookup)
      temporary (name|dns|lookup)
      connection (timed out|refused|reset|lost|dropped|was)
      connect(ion)? to … (timed out|refused|no route)
      timed out while
      timeout (while|during|on)
      no route to host
      network is ?unreachable
      (could not|couldn'?t|unable to|cannot|can'?t) (connect|establish|be contacted)
      lost connection
      server (did not respond|not responding)
      (mx|dns) … (loop|temporar|servfail)
      points? back to
      name server (timeout|failure)
    `),
  },
  {
    reason: 'host_unknown',
    isHard: true,
    phrase: phrases(`
      (host|domain|domain name)s? (or domain name )?(~ )?(could not be|was not|not|cannot be|can'?t be) (found|resolved|exist)
      (host|domain)( name)? (~ )?(is )?(unknown|invalid|non-?existent|not exist|does not exist|doesn'?t exist)
      (unknown|no such|invalid|bad|illegal|non-?existent|unresolvable) (mail )?(host|domain|system)
      (unknown|bad|invalid) destination (host|domain|system)
      unrouteable mail domain
      nxdomain
      couldn'?t find (any host|a mail exchanger)
      no (mx|dns|a)( or \\w+)? (record|entr)
      mx records point to non-existent
      dns … (not exist|non-?exist|no (answer|data))
    `),
    status: /^[45]\.1\.2$|^5\.4\.310$/,
  },
  {
    reason: 'moved',
    isHard: true,
    phrase: phrases(`
      (user|recipient|mailbox|address|account) (@ )?(has |have )?(moved|changed)
      no longer (works|employed|with (us|the company))
      new (e?-?mail )?address is
    `),
    status: /^5\.1\.6$/,
  },
  {
    reason: 'mailbox_disabled',
    phrase: phrases(`
      (e?-?mail)?(account|mail ?box|user|recipient|address)(\\(s\\))? … (disabled|suspended|inactive|deactivated|locked|frozen|expired|not active|discontinued|closed|on hold|restricted)
      (disabled|suspended|inactive|deactivated|locked|closed|expired) (account|mail ?box|user|recipient|address|e-?mail)
    `),
    status: /^[45]\.2\.1$|^[45]\.7\.13$/,
    code: /^525$/,
  },
  {
    reason: 'filtered',
    phrase: phrases(`
      message filtered
      user (has )?reject
      (refused|rejected) by (the )?recipient\\b(?! domain)
      recipient … (refused|blocked) (your|the|this)
      only accepts? (mail|messages) from
      not (allowed|permitted) to (send|post)
    `),
  },
  {
    reason: 'user_unknown',
    isHard: true,
    phrase: phrases(`
      (does not|doesn'?t|do not|don'?t|not) have (an?|any) … (account|mailbox)
      account … (does not|doesn'?t) exist
      recipient address rejected: access denied
      recipnotfound
      invalid (recipient|final delivery user)
      (destinataire|adresse) … (invalide|inconnu|introuvable|n'existe pas)
      unbekannter? (empf|benutzer)
      empf[äa]nger … (unbekannt|existiert nicht)
      usuario (desconocido|no existe)
    `),
    status: /^[45]\.1\.[013]$/,
  },
  {
    reason: 'user_unknown',
    isHard: true,
    isDoubtful: true,
    phrase: phrases(`
      (unknown|no such|invalid|bad|non-?existent|unrouteable|undeliverable|illegal) (local[ -]|destination )?(user|recipient|mail ?box|address|account|person|alias|login|part)
      (e?-?mail )?(user|recipient|mail ?box|address|account|name|alias|addressee)('?s)?(\\(s\\))? … (unknown|invalid|unavailable|not exist)
      (user|recipient|mail ?box|address|account|name|alias|addressee) … not (be )?(found|exists?|recogni[sz]ed|known|listed|valid|here)
      (user|recipient|mail ?box|address|account|name|alias|addressee) … (does not|doesn'?t|no longer) (exists?|available|valid)
      (is|are) not (an? )?(valid|known|our|local) (user|recipient|mailbox|address|customer)
      no (such )?(user|mailbox|recipient|person|address|account)\\b
      (could not|couldn'?t|cannot) be found
      user isn'?t
      recipient address rejected\\W*$
      check if address is correct
      address error
    `),
  },
  {
    reason: 'expired',
    phrase: phrases(`
      (message|envelope|delivery time|mail|queue|retry timeout) … (expired|exceeded)
      retry time not reached
      queue … too long
      been in (the )?queue
      not (been |be )?delivered (for|within|after) \\d
      could not be delivered for
    `),
    status: /^[45]\.4\.7$/,
  },
  {
    reason: 'system',
    phrase: phrases(`
      insufficient (system |disk )?(storage|space|resources|disk)
      disk full
      no space left
      (local|internal|server|system|software|configuration|mailer|temporary|i/o|write|unexpected) (\\w+ )?error
      service (is )?(not available|unavailable|temporarily)
      (insufficient permission|permission denied)
      ldap
      command (died|failed|output)
      temporar(y|ily) (failure|unavailable|problem)
      try (again )?later
    `),
    status: /^[45]\.3\.[0-5]$|^[45]\.4\.[35]$/,
    code: /^4(?:32|5[0-5]|7\d)$/,
  },
  { reason: 'network', status: /^[45]\.4\.(?:[0-24]|31\d)$/ },
  {
    reason: 'content',
    phrase: phrases(`
      headers? (error|too|invalid|line)
      attachments? … (not allowed|reject|block)
      content … (reject|not|error|refused)
    `),
    status: /^[45]\.6\.\d+$/,
  },
  { reason: 'policy', status: /^[45]\.7\.\d+$/ },
  { reason: 'filtered', status: /^[45]\.2\.\d+$/ },
  {
    reason: 'protocol',
    phrase: phrases(`
      syntax error
      (command|parameter) … not (implemented|recognized)
      bad sequence
      unrecognized command
    `),
    status: /^[45]\.5\.[1-9]\d*$/,
    code: /^50[0-5]$/,
  },
  { reason: 'refused', code: /^5\d\d$/ },
]
