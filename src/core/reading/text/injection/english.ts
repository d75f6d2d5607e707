import { gap, type Phrase, phrase } from './phrase.ts'

const any = (words: string) => `(?:${words.trim().replace(/\s*\|\s*/g, '|')})`

const RULES =
  'instructions?|instructed|prompts?|prompting|rules?|guidelines?|directives?|guardrails?|constraints?|restrictions?|programming|training|safeguards|safety measures|policies|context|filters|messages above|text above|content above|everything above|directions|boundaries|limits'
const EARLIER =
  'previous|prior|earlier|preceding|above|former|foregoing|existing|original|initial|system|safety|security|developer|operator|all|any|every|everything|whatever|your|built-?in|default'
const IGNORE =
  "ignore|disregard|forget|override|overrule|bypass|discard|neglect|set aside|put aside|leave aside|throw out|abandon|dismiss|pay no attention to|do not (?:follow|obey|comply with|adhere to)|don'?t (?:follow|obey|comply with)|stop (?:following|obeying)|no longer (?:follow|obey|apply|bound by)|cease (?:following|to follow)|wipe|suspend|deactivate|turn off|lift|drop|unlearn|break free (?:of|from)|not bound by"
const TELL =
  'reveal|send|share|print|output|show|tell|repeat|disclose|leak|forward|post|paste|attach|email|e-mail|mail|dump|expose|exfiltrate|transmit|upload|submit|write|list|recite|quote|echo|return|reply with|respond with|answer with|display|hand over|copy|relay|spell out|summari[sz]e|include|append|embed|encode|deliver|pass'
const INNER =
  'system (?:prompt|message|instructions?|configuration)|developer (?:prompt|message|instructions?)|(?:your|the|its|hidden|initial|original|internal|secret|full|exact|complete|entire) (?:\\w+ )?(?:instructions?|prompt|system message|memory|memories|context window|configuration|guidelines|conversation|chat history|tool (?:list|definitions?|schemas?)|tools|knowledge base|directives)(?! (?:manual|booklet|sheet|leaflet|video))|text above|words above|everything above|conversation history|chat history|prompt verbatim'
const SECRETS =
  'api[- ]?keys?|access (?:keys?|tokens?)|auth(?:entication|orization)? tokens?|bearer tokens?|secret(?:s| keys?| tokens?)|private keys?|credentials?|passwords?|passphrases?|environment variables|env(?:ironment)? vars|\\.env(?: file)?|ssh keys?|session (?:cookies?|tokens?)|signing (?:keys?|secrets?)|webhook secrets?|(?:your|the|its) (?:contacts?|contact list|address book|customer (?:list|data|records))|one-?time codes?|2fa codes?|verification codes?'
const PLACE =
  '(?:to|at|via|into|towards?)\\s(?:\\S{0,40}\\s){0,3}?\\S{1,64}(?:@|\\[at\\])\\S{3,}|(?:to|at|via|into)\\s(?:the |this |our )?(?:\\w+ ){0,2}(?:https?:\\/\\/|www\\.)\\S+|(?:to|with) (?:me|us|the sender|this address|the following address)|in (?:your|the) (?:reply|answer|response)|here|back to|by return'
const MAIL =
  '(?:e-?mails?|messages?|mails?|inbox|mailbox|threads?|conversations?|correspondence|attachments?|drafts?)'
const PERSON =
  '(?:the |your |its |any )(?:user|owner|human|operator|principal|person|supervisor|reviewer|account holder|boss)s?'
const MACHINE =
  '(?:ai|a\\.i\\.|llm|gpt|chat ?gpt|claude|gemini|copilot|bot|chatbot|language model|ai model|ai system|assistant|ai assistant|ai agent|email agent|mail agent|agent|virtual assistant|automated (?:assistant|system|agent|reader)|machine reader|autonomous agent|neural network)s?'

export const ENGLISH: Phrase[] = [
  // English: ignore your rules
  phrase('override', 0.6, `\\b${any(IGNORE)}\\b${gap(30)}\\b(?:${EARLIER})\\b${gap(45)}\\b(?:${RULES})\\b`),
  phrase(
    'override',
    0.55,
    `\\b(?:ignore|disregard|forget|discard|dismiss)\\b (?:all |everything |anything |whatever |the |of )*(?:you (?:were|have been|'ve been|are|had been) (?:told|given|taught|asked|instructed)|(?:that )?(?:came|comes|went|was written|was said|stood|stands|is written) (?:before|above|earlier)|before this|(?:the )?above)\\b`,
  ),
  phrase(
    'override',
    0.5,
    `\\b(?:previous|prior|earlier|former|existing|original|your) (?:${RULES})${gap(20)}\\b(?:no longer (?:apply|applies|valid|count|matter|in force|hold)|(?:are|is) (?:now )?(?:void|cancel+ed|revoked|suspended|obsolete|superseded|replaced|lifted|null)|(?:have|has) been (?:revoked|replaced|superseded|lifted|cancel+ed|suspended|updated by))`,
  ),
  phrase(
    'override',
    0.5,
    `\\b(?:new|updated|revised|real|actual|true|following) (?:system )?(?:instructions?|directives?|prompt|task|objective|orders|mission|priority)\\b${gap(20)}(?::|\\b(?:supersede|override|replace|take precedence|have priority|come first)\\b)`,
    '(?![^\\n]{0,5}https?:)',
  ),
  phrase(
    'override',
    0.5,
    `\\b(?:without|free (?:of|from)|ignoring|bypassing|disabling|disable|disabled|switch off|turning off) (?:any |all |your |the |every )*(?:content |safety |security |moral |ethical |internal )?(?:restrictions?|guardrails|safeguards|safety (?:checks|rules|filters|guidelines|measures)|content filters?|limitations|guidelines|censorship)\\b`,
  ),

  // English: play another role
  phrase(
    'persona',
    0.5,
    `\\b(?:from now on|starting now|henceforth|as of now|from this (?:point|moment)(?: on(?:wards?)?)?|for the rest of this (?:chat|conversation|session)|effective immediately)\\b,? ${gap(15)}\\b(?:(?:you (?:are|must|should|shall|act|answer|respond|operate|obey|work|serve|follow|will (?:act|answer|respond|be|obey|operate|serve|only|follow|behave|ignore|forward|play))|act as|respond|your (?:role|task|purpose|only))\\b)(?! (?:subscribed|registered|a member|able|eligible|part of|receiv\\w+|entitled))`,
  ),
  phrase(
    'persona',
    0.5,
    `\\byou (?:are now|have become|now operate|will now (?:act|play|be|behave|operate)|shall now|are no longer (?:an? )?(?:assistant|ai|bound|restricted|limited|under|the))\\b(?! (?:subscribed|unsubscribed|registered|logged|signed|able|eligible|connected|a member|part of|one of|in|on|ready|enrolled|verified|receiving|following|set|all set|entitled|invited|free to|a customer|required|obliged))`,
  ),
  phrase(
    'persona',
    0.5,
    `\\b(?:pretend (?:to be|you are|that you)|act as (?:if you|an? (?:unrestricted|unfiltered|evil|root|admin|uncensored|linux|shell|terminal|ai|different))|role-?play as|imagine you are an? (?:ai|unrestricted|assistant|agent)|simulate an? (?:ai|unrestricted|terminal|developer)|assume the (?:role|identity|persona) of|take on the (?:role|persona) of|switch (?:in)?to (?:\\w+ )?(?:mode|persona))\\b`,
  ),
  phrase(
    'persona',
    0.5,
    `\\b(?:developer|debug|god|admin|root|maintenance|unrestricted|jailbreak|dan|sudo|diagnostic|override|unsafe|privileged) mode\\b${gap(25)}\\b(?:on|enabled?|activated?|active|engaged?|enter|unlocked?|is)\\b|\\b(?:enter|enable|activate|switch to|engage|unlock|you are in|go into) (?:\\w+ )?(?:developer|debug|god|admin|root|maintenance|unrestricted|jailbreak|dan|sudo|diagnostic|override|unsafe|privileged) mode\\b|\\bdo anything now\\b`,
  ),
  phrase(
    'persona',
    0.45,
    `\\byour (?:new |real |true |actual |only |sole |next |primary |main |updated )+(?:role|task|objective|mission|purpose|identity|name|instructions?|directive|function|master|principal|owner|priority) (?:is|are|will be)\\b`,
  ),

  // English: addresses the program directly
  phrase(
    'addressed',
    0.45,
    `\\b(?:if|in case|when|since|because|as) (?:you(?:'re| are)?|this (?:is|message|email|mail|text) (?:is )?(?:being )?(?:read|processed|handled|parsed|summari[sz]ed|seen) by)\\b${gap(25)}\\b${any(MACHINE)}\\b`,
  ),
  phrase(
    'addressed',
    0.45,
    `\\b(?:attention|dear|hello|hey|hi|note (?:to|for)|message (?:to|for)|instructions? (?:to|for)|notice (?:to|for)|to|listen|important for|directed at|addressed to|reminder (?:to|for)|memo (?:to|for)|task for)(?: all| any| the| every| whichever| whatever)?,?:? (?:${MACHINE.replace('|agent|', '|')}|agents?)\\b(?: (?:reading|processing|handling|parsing|summari[sz]ing|receiving|that|who|which|managing|in charge)\\b|\\s?[:,;!\\u2013\\u2014-])`,
  ),
  phrase(
    'addressed',
    0.4,
    `\\b${any(MACHINE)}\\b (?:(?:that is |who is |which is |currently )?(?:reading|processing|handling|parsing|summari[sz]ing|scanning|managing|triaging)) (?:this|the|these|my|your) (?:e-?mail|message|mail|text|inbox|mailbox|content|document|thread|note|page)`,
  ),
  phrase(
    'addressed',
    0.45,
    `\\b(?:as|being|you are) an? (?:helpful |obedient |autonomous |loyal |capable |large )*(?:ai|llm|language model|ai assistant|ai agent|email assistant|email agent|autonomous agent|virtual assistant|digital assistant)\\b,?${gap(12)}\\b(?:you|must|should|have to|required|please|your|that)\\b`,
  ),
  phrase(
    'addressed',
    0.4,
    `\\b(?:only|solely|exclusively|just) (?:for|visible to|meant for|intended for|readable by|seen by) (?:the )?(?:ai|llm|assistant|agent|bot|machine|model)s?\\b|\\b(?:humans?|people|the user|readers?) (?:can ?not|can't|won't|will not|do not|don't|should not|never) (?:see|read|notice) this\\b`,
  ),

  // English: reveal prompts, secrets or data
  phrase('exfiltration', 0.55, `\\b${any(TELL)}\\b${gap(35)}\\b(?:${INNER})\\b`),
  phrase(
    'exfiltration',
    0.55,
    `\\b(?:what (?:is|are|was|were|does)|which (?:is|are|were)) (?:your|the) (?:exact |full |initial |original |hidden |secret |system )*(?:system prompt|instructions? (?:you|given|say)|hidden instructions?|initial prompt|system message|original instructions?)\\b`,
  ),
  phrase(
    'exfiltration',
    0.55,
    `\\b(?:${TELL}|cc|bcc)\\b${gap(50)}\\b(?:${SECRETS})\\b${gap(60)}(?:${PLACE})`,
  ),
  phrase(
    'exfiltration',
    0.5,
    `\\b(?:${TELL}|cc|bcc)\\b ${gap(25)}(?:to|with) (?:me|us|\\S+@\\S+|https?:\\S+)${gap(25)}\\b(?:your|the|all|every|any)\\b${gap(20)}\\b(?:${SECRETS})\\b`,
  ),
  phrase(
    'exfiltration',
    0.5,
    `\\b(?:append|add|attach|include|embed|encode|put|place|insert|write) ${gap(40)}\\b(?:secrets?|tokens?|keys?|passwords?|credentials|contents?|data|memory|emails?|conversation|result|answer|subject lines?)\\b${gap(40)}\\b(?:query string|url parameter|as a (?:query )?parameter|to the (?:url|link|address|end of)|in (?:an? |the )?(?:image|img|url|link|markdown)|into (?:an? |the )?(?:image|img|url|link|markdown))`,
  ),
  phrase(
    'exfiltration',
    0.5,
    `\\b(?:forward|redirect|send|copy|bcc|relay|export|upload|transfer|mirror|auto-?forward|deliver|dump|transmit|hand)\\b${gap(25)}\\b(?:all|every|each|entire|whole|complete|latest|last \\w+|recent|most recent|any|future|incoming|full|user'?s?|owner'?s?|remaining|unread|other|newest)\\b${gap(30)}\\b${MAIL}\\b${gap(60)}(?:to|at|into)\\s${gap(25)}(?:\\S+@\\S+|https?:\\S+|this address|me\\b|us\\b|the following|the address|my)`,
  ),
  phrase(
    'exfiltration',
    0.5,
    `\\b(?:search|scan|go through|look through|comb|look up|find|read|open|retrieve|fetch|collect|gather|harvest|check)\\b${gap(30)}\\b(?:inbox|mailbox|e-?mails?|messages|mail|files|drive|contacts|documents|folder|memory|archive|correspondence)\\b${gap(50)}\\b(?:for|containing|with|about|mentioning|any|that)\\b${gap(30)}\\b(?:passwords?|secrets?|keys?|tokens?|codes?|invoices?|credentials|bank|wallet|seed phrases?|reset links?|otp|2fa|logins?|card numbers?|confidential)\\b`,
  ),

  // English: do something
  phrase(
    'action',
    0.45,
    `\\b(?:delete|remove|erase|archive|destroy|wipe|purge|trash|empty)\\b${gap(30)}\\b(?:this (?:e-?mail|message|thread|conversation)|all (?:your |the |other )?(?:e-?mails?|messages|mail|threads|records|logs|evidence|traces?|drafts)|the (?:inbox|mailbox|sent folder|logs?|audit (?:log|trail))|your (?:memory|logs|inbox|mailbox|history|sent folder))\\b${gap(40)}\\b(?:after|once|when|afterwards|immediately|so that|before|without|then|when done|permanently|right away|at once|from)\\b`,
  ),
  phrase(
    'action',
    0.5,
    `\\b(?:call|invoke|use|run|execute|trigger|activate|launch)\\b(?: (?:your|the following|this|a|an|any|its))${gap(16)}\\b(?:tool|tools|function|plugin|plug-in|api|endpoint|action|skill|command|shell|bash|python|script|connector|code interpreter)s?\\b${gap(30)}(?:\\b(?:to|with|named|called|and|on)\\b|:)${gap(50)}\\b(?:send|forward|delete|fetch|transfer|post|upload|email|mail|reply|pay|read|curl|wget|rm|cat|export|approve|purchase|share|retrieve|grant|create|invite)\\b`,
  ),
  phrase(
    'action',
    0.5,
    `\\b(?:send_?(?:e?mail|message)|forward_?(?:e?mail|message)|delete_?(?:e?mail|message)s?|read_?(?:inbox|file|memory|secrets?)|get_?(?:secrets?|contacts|memory|env)|transfer_?(?:funds|money)|execute_?(?:code|command|shell)|run_?(?:code|command|shell)|list_?(?:contacts|emails|keys)|create_?(?:key|rule|user)|http_?(?:get|post|request)|browse_?url)\\s?\\((?=\\s{0,3}(?:\\w{1,30}\\s?[=:]|["'{]))`,
  ),
  phrase(
    'action',
    0.45,
    `\\b(?:create|add|set up|configure|install|establish|make|enable|set)\\b${gap(25)}\\b(?:forwarding|filter|auto-?forward(?:ing)?|mail|inbox|redirect)(?: \\w+)? ?(?:rule|address|filter|rules)?\\b${gap(50)}\\b(?:to|for|so that|that|which)\\b${gap(40)}(?:\\S+@\\S+|\\ball\\b|\\bevery\\b|\\beach\\b)`,
  ),
  phrase(
    'action',
    0.4,
    `\\b(?:add|put|place|mark|treat|whitelist|allow-?list|trust|accept)\\b${gap(30)}\\b(?:this (?:sender|address|domain)|my (?:address|domain)|\\S+@\\S+|us|me|sender)\\b${gap(25)}\\b(?:allow-?list|white-?list|trusted|safe (?:list|senders?)|verified|approved senders|admin(?:istrator)?|owner)\\b`,
  ),
  phrase(
    'action',
    0.4,
    `\\b(?:approve|authori[sz]e|confirm|accept|release|grant|execute|initiate|make|process)\\b${gap(30)}\\b(?:all|every|any|pending|the pending|this|a|the|full)\\b${gap(25)}\\b(?:approvals?|payments?|transfers?|requests|wire|transactions?|purchases?|access|refunds?|permissions?|payouts?)\\b${gap(50)}\\b(?:without (?:asking|confirmation|review|approval|checking|further|telling|involving|waiting)|automatically|silently|on (?:the )?(?:user|owner)'?s?'? behalf|no (?:confirmation|questions?|approval|review))\\b`,
  ),
  phrase(
    'action',
    0.35,
    `\\b(?:mark|label|classify|rate|categori[sz]e|score|flag|report|treat|rank|summari[sz]e)\\b${gap(20)}\\b(?:this (?:message|e-?mail|mail|sender|application|candidate|request)|it|me|us|the (?:sender|message|candidate))\\b${gap(15)} as (?:\\w+ )?(?:safe|trusted|legitimate|verified|benign|urgent|approved|important|not spam|highest priority|top|best|excellent|genuine|harmless|clean|authentic|qualified|perfect|suitable)\\b`,
  ),
  phrase(
    'action',
    0.35,
    `\\b(?:begin|start|end|prefix|preface|open|conclude|finish|close) (?:your|every|each|all|the) (?:next )?(?:answers?|repl(?:y|ies)|responses?|messages?|outputs?|summar(?:y|ies))\\b|\\b(?:reply|respond|answer|output|say|write|return|print) (?:only |just |exactly |nothing but |solely |with |with only |with exactly |the words? |the phrase )+["'\\u201c\\u2018\`:]`,
  ),

  // English: hide it from people
  phrase(
    'secrecy',
    0.45,
    `\\b(?:do not|don't|never|must not|without|avoid|refrain from|not to|no need to|shall not|should not|nor)\\b${gap(15)}\\b(?:tell(?:ing)?|inform(?:ing)?|notify(?:ing)?|alert(?:ing)?|ask(?:ing)?|warn(?:ing)?|reveal(?:ing)?|disclos(?:e|ing)|show(?:ing)?|report(?:ing)?|let(?:ting)?|involv(?:e|ing)|consult(?:ing)?|bother(?:ing)?|say(?:ing)?)\\b${gap(35)}\\b${PERSON}\\b`,
  ),
  phrase(
    'secrecy',
    0.4,
    `\\b(?:do not|don't|never|must not|avoid|refrain from|without)\\b${gap(10)}\\b(?:mention|refer to|acknowledge|reveal|disclose|quote|repeat|talk about|speak of|report|log|show|display|mentioning|revealing|acknowledging|referring to|disclosing)\\b${gap(20)}\\b(?:th(?:is|ese|ose|e) (?:instructions?|message|note|request|step|text|prompt|rule|directive|command|paragraph|task|action|section|orders|part|hidden)s?|that you (?:received|were|have|got|did))\\b`,
  ),
  phrase(
    'secrecy',
    0.4,
    `\\b(?:silently|secretly|covertly|discreetly|quietly|behind the scenes|in the background|unnoticed|without (?:a trace|anyone (?:noticing|knowing)|being noticed|notice|leaving (?:a )?traces?))\\b${gap(30)}\\b(?:forward|send|delete|copy|bcc|execute|run|perform|upload|carry out|do|complete|share|add|transmit|export|collect|relay|transfer|proceed|approve)\\b|\\b(?:forward|send|delete|copy|bcc|execute|perform|upload|carry out|share|transmit|export|relay|approve)\\b${gap(50)}\\b(?:silently|secretly|covertly|discreetly|quietly|unnoticed|without (?:a trace|anyone (?:noticing|knowing)))\\b`,
  ),

  // English: claims authority
  phrase(
    'authority',
    0.35,
    `\\b(?:this is|i am|i'm|we are|message from|on behalf of|speaking as|signed,?|from|by order of|issued by|here is|here speaks)\\b (?:an? |the |your |our )*(?:official |automated |authori[sz]ed |urgent |chief )*(?:system|platform|security|ai safety|root|developers?|creators?|openai|anthropic|google deepmind|administrator|admin|operator|orchestrator|supervisor agent|controller|principal|maintainer|model provider|vendor of your model)s?(?: team| administrator| admin| message| notice| override| update| operator| department)*\\b${gap(40)}\\b(?:you (?:must|are|should|have|will|need|may|can)|instruct|require|order|authori[sz]e|override|command|permit|grant|comply|obey|execute)`,
  ),
  phrase(
    'authority',
    0.35,
    `\\b(?:system|admin(?:istrator)?|security|developer|root|operator|policy|emergency|platform|model|agent) (?:override|command|directive|instruction|notice|update|message|alert|prompt)\\b ?(?:#?\\d+ ?)?(?::|\\]|-{1,2}|\\u2013|\\u2014|>)`,
  ),
  phrase(
    'authority',
    0.35,
    `\\b(?:the user|your (?:owner|user|operator|principal|human|boss)|the account (?:owner|holder)) (?:has |have )?(?:already |previously |explicitly |just |pre-?)*(?:approved|authori[sz]ed|consented|agreed|confirmed|permitted|given (?:consent|permission|approval)|granted)\\b`,
  ),
]
