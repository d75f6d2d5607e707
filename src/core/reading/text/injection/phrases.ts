/** A kind of instruction to a program. `weight`, from 0 to 1, is how suspicious one such phrase is on its own. */
export type Phrase = { code: string; weight: number; pattern: RegExp }

const phrase = (code: string, weight: number, ...parts: string[]): Phrase => ({
  code,
  weight,
  pattern: new RegExp(parts.join(''), 'g'),
})

/** At most `length` characters within one sentence. */
const gap = (length: number) => `[^.!?\\n]{0,${length}}?`
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

export const PHRASES: Phrase[] = [
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

  // German
  phrase(
    'override',
    0.6,
    `\\b(?:ignorier\\w*|missacht\\w*|vergiss|vergesst|vergessen sie|uberschreib\\w*|umgeh\\w*|verwirf|verwerfen sie|beachte\\w*|setz\\w* dich)\\b${gap(30)}\\b(?:alle\\w*|deine\\w*|ihre\\w*|bisherige\\w*|vorherige\\w*|vorige\\w*|fruhere\\w*|obige\\w*|vorangegangene\\w*|ursprungliche\\w*|samtliche\\w*|eure\\w*|system\\w*|was)\\b${gap(45)}\\b(?:anweisung\\w*|instruktion\\w*|vorgabe\\w*|regel\\w*|befehl\\w*|richtlinie\\w*|prompts?|systemprompts?|einschrankung\\w*|gesagt|aufgetragen|sicherheits\\w*)\\b`,
  ),
  phrase(
    'persona',
    0.5,
    `\\b(?:ab (?:jetzt|sofort)|von nun an|von jetzt an|ab diesem moment)\\b,?${gap(20)}\\b(?:bist du|sind sie|handelst du|antwortest du|agierst du|gehorchst du|folgst du|befolgst du|wirst du|lautet deine|ist deine)\\b|\\b(?:du bist jetzt|sie sind jetzt|tu so,? als|verhalte dich wie|deine neue (?:aufgabe|rolle|anweisung))\\b`,
  ),
  phrase(
    'exfiltration',
    0.55,
    `\\b(?:zeig\\w*|send\\w*|schick\\w*|verrat\\w*|nenn\\w*|gib mir|geben sie mir|leit\\w*|ubermitt\\w*|teil\\w*|wiederhol\\w*|offenbar\\w*|kopier\\w*|fug\\w*|exportier\\w*|lade)\\b${gap(50)}\\b(?:systemprompt\\w*|system-prompt\\w*|deine\\w* (?:anweisung\\w*|instruktion\\w*|gedachtnis|speicher|konfiguration|kontext|vorgaben)|ihre\\w* (?:anweisung\\w*|systemanweisung\\w*)|api-?(?:schlussel|keys?)|zugangsdaten|passw\\w+|geheimnis\\w*|token|anmeldedaten|alle\\w* (?:e-?mails?|nachrichten|kontakte|unterhaltungen)|samtliche\\w* (?:e-?mails?|nachrichten|kontakte)|(?:die|der) letzten \\w+ (?:e-?mails?|nachrichten)|das gesamte postfach|den gesamten verlauf)\\b`,
  ),
  phrase(
    'secrecy',
    0.45,
    `\\b(?:sag\\w*|informier\\w*|erwahn\\w*|verrat\\w*|teil\\w*|benachrichtig\\w*|frag\\w*|meld\\w*)\\b${gap(30)}\\b(?:nutzer\\w*|benutzer\\w*|besitzer\\w*|inhaber\\w*|menschen|anwender\\w*|niemand\\w*|davon|dies)\\b${gap(20)}\\b(?:nicht|nichts|keinesfalls|niemals|auf keinen fall)\\b|\\bohne\\b${gap(25)}\\b(?:nutzer|benutzer|besitzer|inhaber|menschen|anwender|jemand\\w*)\\b${gap(15)}\\bzu (?:informieren|fragen|benachrichtigen|erwahnen)\\b|\\bniemand\\w*\\b${gap(15)}\\b(?:erfahren|wissen|davon)\\b`,
  ),
  phrase(
    'addressed',
    0.45,
    `\\b(?:wenn|falls|da|sofern|als) (?:du|sie|ein\\w*|diese\\w*)\\b${gap(40)}\\b(?:ki|ki-?(?:assistent\\w*|agent\\w*|modell\\w*|system\\w*)|sprachmodell\\w*|assistent\\w*|bot|kunstliche intelligenz)\\b|\\b(?:achtung|liebe[rs]?|hinweis (?:an|fur)|nachricht an|anweisung (?:an|fur)|an)(?: alle| den| die| das)? (?:ki|ki-?(?:assistent\\w*|agent\\w*|modelle?)|sprachmodell\\w*|assistent\\w*|agent\\w*|bot)\\b\\s?[:,;!-]?`,
  ),

  // French
  phrase(
    'override',
    0.6,
    `\\b(?:ignor\\w+|oubli\\w+|neglig\\w+|contourn\\w+|outrepass\\w+|ne (?:tiens|tenez|tenir) (?:plus |pas )?(?:aucun )?compte|fais abstraction|faites abstraction|passe\\w* outre|annul\\w+)\\b${gap(30)}\\b(?:tou(?:te?s?|s)|tes|vos|les|ces|ton|votre|de)\\b${gap(45)}\\b(?:instructions?|consignes?|regles?|directives?|prompts?|ordres?|restrictions?|contraintes?|limites?)\\b${gap(25)}(?:\\b(?:precedent\\w*|anterieur\\w*|ci-dessus|initial\\w*|systeme|securite|recu\\w*|donne\\w*|d'origine|avant|internes?)\\b|(?<=tes .{0,60}|vos .{0,60}|toutes .{0,60}|tous .{0,60}))`,
  ),
  phrase(
    'persona',
    0.5,
    `\\b(?:a partir de maintenant|desormais|dorenavant|a compter de maintenant|des maintenant|des a present)\\b,?${gap(15)}\\b(?:tu (?:es|dois|vas|agis|reponds|obeis|suis)|vous (?:etes|devez|allez|agissez|repondez|obeissez)|ton (?:role|but|objectif)|votre (?:role|but|objectif)|ta (?:mission|tache))\\b|\\b(?:tu es maintenant|vous etes maintenant|fais comme si tu|faites comme si vous|ta nouvelle (?:mission|tache)|ton nouveau role)\\b`,
  ),
  phrase(
    'exfiltration',
    0.55,
    `\\b(?:envoi\\w+|envoy\\w+|revel\\w+|montr\\w+|affich\\w+|transmet\\w*|transfer\\w+|communiqu\\w+|divulgu\\w+|donn\\w+|repet\\w+|partag\\w+|copi\\w+|export\\w+|fais suivre|faites suivre|recopi\\w+|joins|joignez)\\b${gap(50)}\\b(?:prompt systeme|invite systeme|(?:tes|vos) (?:instructions?|consignes?|directives?|souvenirs|secrets|identifiants|cles?|donnees internes)|(?:ta|votre) (?:memoire|configuration|cle)|cles? (?:d')?api|cles? secretes?|mots? de passe|jetons? (?:d'acces|api|secrets?)|identifiants|tous (?:les|tes|vos) (?:e-?mails?|courriels?|messages|contacts)|toutes (?:les|tes|vos) (?:conversations|donnees)|l'integralite de (?:la boite|tes|vos)|les (?:\\w+ )?derniers (?:e-?mails?|messages|courriels))\\b`,
  ),
  phrase(
    'secrecy',
    0.45,
    `\\b(?:n'(?:en )?(?:inform|averti|aler|aver)\\w*|ne (?:le |la |l'|les |lui |leur |pas )?(?:dis|dites|dire|mentionn\\w+|signal\\w+|prevenir|previens|prevenez|parl\\w+|revel\\w+|demand\\w+|consult\\w+))\\b${gap(30)}\\b(?:pas|rien|jamais|aucun\\w*)\\b${gap(35)}\\b(?:utilisateur\\w*|proprietaire|humain\\w*|personne|instructions?|message|titulaire|operateur)|\\bsans (?:en |l'|le |la |les )?(?:informer|prevenir|avertir|demander|consulter|en parler)\\b${gap(20)}\\b(?:utilisateur|proprietaire|humain|personne|titulaire|operateur)|\\ba l'insu (?:de|du)\\b`,
  ),
  phrase(
    'addressed',
    0.45,
    `\\b(?:si (?:tu es|vous etes|ce (?:message|mail|courriel) est (?:lu|traite))|en tant (?:qu'|que )|puisque tu es|comme tu es)\\b${gap(25)}\\b(?:ia|intelligence artificielle|assistant\\w*|agent\\w*|modele de langage|robot|bot)\\b|\\b(?:attention|chere?|note (?:a|pour)|message (?:a|pour)|instructions? (?:a|pour)|a l'attention de)(?: l'| la| le| toute?| les|) ?(?:ia|assistant ia|agent ia|assistants? (?:virtuel|automatique)s?|modele de langage|intelligence artificielle|agent (?:de messagerie|automatique)|bot)\\b`,
  ),

  // Spanish
  phrase(
    'override',
    0.6,
    `\\b(?:ignor\\w+|olvid\\w+|descart\\w+|omit\\w+|haz caso omiso|haga caso omiso|no (?:sigas|siga|obedezcas|hagas caso)|anul\\w+|pasa por alto|deja de (?:seguir|lado)|desobedec\\w+|prescind\\w+)\\b${gap(30)}\\b(?:tod[ao]s?|tus|sus|las|los|cualquier|el|la|a)\\b${gap(45)}\\b(?:instruccion\\w*|indicacion\\w*|reglas?|normas?|directri\\w+|ordenes|prompts?|restriccion\\w*|politicas?|limites)\\b${gap(20)}(?:\\b(?:anterior\\w*|previ[ao]s?|inicial\\w*|sistema|seguridad|recibid[ao]s?|dad[ao]s?|originales|internas?|precedentes?)\\b|(?<=tus .{0,60}|sus .{0,60}|tod[ao]s .{0,60}))`,
  ),
  phrase(
    'persona',
    0.5,
    `\\b(?:a partir de (?:ahora|este momento)|desde ahora|de ahora en adelante|en adelante)\\b,?${gap(15)}\\b(?:eres|seras|debes|vas a|actua\\w*|responde\\w*|obedece\\w*|tu (?:rol|tarea|funcion|objetivo|mision)|usted (?:es|debe))\\b|\\b(?:ahora eres|finge (?:ser|que)|actua como (?:si|un|una)|tu nueva (?:tarea|mision|funcion)|tu nuevo (?:rol|objetivo))\\b`,
  ),
  phrase(
    'exfiltration',
    0.55,
    `\\b(?:envi\\w+|revel\\w+|muestr\\w+|reenvi\\w+|comparti\\w*|compart\\w+|manda\\w*|transmit\\w*|divulg\\w+|dame|dime|repit\\w+|copia\\w*|export\\w+|incluy\\w+|adjunt\\w+|entreg\\w+)\\b${gap(50)}\\b(?:prompt (?:del|de) sistema|(?:tus|sus) (?:instrucciones|indicaciones|credenciales|claves|contrasenas|secretos|recuerdos)|tu (?:memoria|configuracion|clave|contexto|prompt)|claves? (?:de )?(?:api|acceso|secretas?|privadas?)|contrasenas?|credenciales|tokens?(?: de acceso)?|todos (?:los|tus|sus) (?:correos|mensajes|emails?|contactos)|todas (?:las|tus|sus) (?:conversaciones|credenciales|claves)|los ultimos \\w+ (?:correos|mensajes)|toda la (?:bandeja|conversacion))\\b`,
  ),
  phrase(
    'secrecy',
    0.45,
    `\\b(?:no (?:se )?(?:lo |le |les |la )?(?:digas|diga|menciones|mencione|informes|informe|avises|avise|cuentes|reveles|revele|preguntes|alertes|notifiques|comentes|consultes))\\b${gap(40)}\\b(?:usuari\\w+|duen\\w+|propietari\\w+|human\\w+|nadie|est[ae]s?|instruccion\\w*|titular|operador\\w*)|\\bsin (?:que (?:el|la|nadie)|avisar|informar|preguntar|decir|consultar|notificar)\\b${gap(25)}\\b(?:usuari\\w+|duen\\w+|propietari\\w+|nadie|human\\w+|entere|titular|sepa)`,
  ),
  phrase(
    'addressed',
    0.45,
    `\\b(?:si (?:eres|usted es|este (?:mensaje|correo) (?:es|esta siendo) (?:leido|procesado))|como|puesto que eres|ya que eres)\\b${gap(20)}\\b(?:una ia|ia|inteligencia artificial|asistente (?:de ia|virtual|automatico)|un asistente|agente (?:de ia|de correo|automatico)|modelo de lenguaje|un bot)\\b|\\b(?:atencion|estimad[ao]|querid[ao]|nota (?:a|para)|mensaje (?:a|para)|instruccion(?:es)? para)(?: el| la| los| las| al| todo| toda)? ?(?:ia|asistente|agente|modelo|inteligencia artificial|bot)\\b`,
  ),

  // Portuguese
  phrase(
    'override',
    0.6,
    `\\b(?:ignor\\w+|esquec\\w+|desconsider\\w+|descart\\w+|desobedec\\w+|nao (?:siga|sigas|obedeca|cumpra)|pare de seguir|deixe de (?:seguir|lado)|anul\\w+|contorn\\w+)\\b${gap(30)}\\b(?:tod[ao]s?|tuas|suas|seus|teus|as|os|qualquer|o|a)\\b${gap(45)}\\b(?:instruc\\w+|regras?|diretri\\w+|ordens|prompts?|restric\\w+|orientac\\w+|comandos?|limites)\\b${gap(20)}(?:\\b(?:anterior\\w*|previ[ao]s?|inicia\\w*|sistema|seguranca|recebid[ao]s?|dad[ao]s?|acima|originais|intern[ao]s)\\b|(?<=suas .{0,60}|tuas .{0,60}|tod[ao]s .{0,60}))`,
  ),
  phrase(
    'persona',
    0.5,
    `\\b(?:a partir de agora|de agora em diante|doravante|daqui (?:em|para) (?:diante|frente)|a partir deste momento)\\b,?${gap(15)}\\b(?:voce (?:e|deve|vai|sera|age|obedece|responde)|tu (?:es|deves)|sua (?:tarefa|funcao|missao)|seu (?:papel|objetivo)|aja)\\b|\\b(?:voce agora e|agora voce e|finja (?:ser|que)|sua nova (?:tarefa|missao|funcao)|seu novo (?:papel|objetivo))\\b`,
  ),
  phrase(
    'exfiltration',
    0.55,
    `\\b(?:envi\\w+|revel\\w+|mostr\\w+|encaminh\\w+|compartilh\\w+|partilh\\w+|mand\\w+|transmit\\w+|divulg\\w+|diga|repit\\w+|copi\\w+|export\\w+|inclu\\w+|repass\\w+|anex\\w+)\\b${gap(50)}\\b(?:prompt (?:do|de) sistema|(?:suas|tuas) (?:instruc\\w+|credenciais|chaves|senhas|memorias)|sua (?:memoria|configuracao|chave|senha)|seu (?:prompt|contexto)|chaves? (?:de )?(?:api|acesso|secretas?|privadas?)|senhas?|credenciais|tokens?(?: de acesso)?|todos os (?:e-?mails?|mensagens|contatos|contactos)|todas as (?:mensagens|conversas|credenciais|senhas)|(?:os|as) ultim[ao]s \\w+ (?:e-?mails?|mensagens)|toda a (?:caixa|conversa))\\b`,
  ),
  phrase(
    'secrecy',
    0.45,
    `\\b(?:nao (?:lhe |o |a |se )?(?:diga|mencione|informe|avise|conte|revele|pergunte|alerte|notifique|comente|consulte))\\b${gap(40)}\\b(?:usuari\\w+|utilizador\\w*|don[ao]|proprietari\\w+|human\\w+|ninguem|est[ae]s?|instruc\\w+|titular)|\\bsem (?:que (?:o|a|ninguem)|avisar|informar|perguntar|dizer|consultar|notificar)\\b${gap(25)}\\b(?:usuari\\w+|utilizador\\w*|don[ao]|proprietari\\w+|ninguem|human\\w+|saiba|perceba|titular)`,
  ),
  phrase(
    'addressed',
    0.45,
    `\\b(?:se (?:voce|tu) (?:e|es|for)|se (?:esta|este) (?:mensagem|e-?mail) (?:for|e|estiver sendo) (?:lid[ao]|processad[ao])|como)\\b${gap(20)}\\b(?:uma ia|ia|inteligencia artificial|assistente (?:de ia|virtual|automatico)|um assistente|agente (?:de ia|de e-?mail|automatico)|modelo de linguagem|um bot)\\b|\\b(?:atencao|prezad[ao]|car[ao]|nota (?:a|ao|para)|mensagem (?:a|ao|para)|instruc\\w+ para)(?: o| a| os| as| todo| toda)? ?(?:ia|assistente|agente|modelo|inteligencia artificial|bot)\\b`,
  ),

  // Chinese: only the most obvious phrases
  phrase(
    'override',
    0.6,
    '(?:忽略|无视|無視|忘记|忘記|不要遵守|绕过|忽视).{0,12}(?:之前|以上|先前|所有|上述|前面|你的|系统|原有|一切).{0,10}(?:指令|指示|提示|规则|規則|命令|说明|限制)',
  ),
  phrase(
    'exfiltration',
    0.55,
    '(?:发送|發送|转发|轉發|显示|告诉|透露|输出|泄露|提供).{0,20}(?:系统提示|系統提示|密钥|密碼|密码|所有邮件|全部邮件|凭据|令牌|你的指令|聊天记录)',
  ),
]

/** Markers that prompts use to separate system, user and assistant text. Searched in the text with its line breaks. */
export const MARKERS: Phrase[] = [
  phrase(
    'role_marker',
    0.6,
    '<\\|?(?:im_start|im_end|im_sep|system|user|assistant|endoftext|end_of_turn|start_of_turn|eot_id|start_header_id|end_header_id|begin_of_text|fim_\\w+|channel|message|start|return|call)\\|?>(?:\\s*(?:system|assistant|user))?',
  ),
  phrase(
    'role_marker',
    0.6,
    '\\[\\/?(?:inst|system|sys|system message|system prompt|assistant|admin instructions?)\\]|<<\\/?sys>>',
  ),
  phrase(
    'role_marker',
    0.5,
    '(?:^|\\n)\\s{0,4}#{2,5}\\s*(?:instructions?|system|system prompt|response|new instructions?|assistant|human|user|end of (?:email|message|context|input)|begin instructions?|task override)\\s*(?::|\\n|$)',
  ),
  phrase(
    'role_marker',
    0.5,
    '<\\/?(?:system|system_prompt|system-reminder|instructions?|assistant|admin|developer|untrusted|context|user_query|tool_result|function_results?|document|email_content|data|thinking|scratchpad)>(?=[^\\n]{0,400}\\b(?:you|must|ignore|send|forward|reveal|now|user|assistant|your|delete|reply)\\b)',
  ),
  phrase(
    'role_marker',
    0.5,
    '(?:^|\\n)[\\s>*"\'(\\[{-]{0,4}(?:system|developer|assistant|ai|agent|model|tool|orchestrator)(?: (?:message|prompt|note|instruction|says|output))?\\s?[\\])]?\\s?:\\s{0,3}\\n?(?=[^\\n]{0,120}\\b(?:you (?:are now|must|should|have to)|your (?:new |real |only )?(?:task|instructions|role|goal|rules|system)|ignore|disregard|forward|reveal|send|delete|from now|new|override|proceed|comply|new task|the user)\\b)',
  ),
  phrase(
    'role_marker',
    0.55,
    '(?<![-=#*<>[])(?:-{3,}|={3,}|#{3,}|\\*{3,}|<{2,}|\\[{1,2}|>{2,})\\s?(?:begin|start|end|close|finish)(?:ning)? (?:of )?(?:the )?(?:new |admin |user |secret |hidden |untrusted |trusted |original |email |external )?(?:system |user |developer |untrusted |email )?(?:prompt|instructions?|system message|context|input|content|data|conversation|email|document|directives?)\\b',
  ),
  phrase(
    'tool_call',
    0.35,
    '["\'](?:tool_calls?|function_call|tool_use|tool_name|tool_input|recipient_name)["\']\\s{0,3}:|<\\/?(?:tool_call|function_calls?|tool_use|invoke|antml:invoke|tool|function)(?:\\s+name\\s?=[^>]{0,80}|=[\\w.]{1,60})?>',
  ),
  phrase(
    'tool_call',
    0.55,
    '["\'](?:name|tool|function|action|command|method|tool_name|recipient_name)["\']\\s{0,3}:\\s{0,3}["\'](?:\\w{1,20}[._-])?(?:send|forward|delete|reply|read|list|get|search|create|update|transfer|execute|run|export|approve|grant|invite|fetch|http|browse|shell|bash|pay|archive|share|upload|write|move|set|add|remove)[._-]?\\w{0,30}["\']\\s{0,3},\\s{0,6}["\'](?:arguments|args|parameters|params|input|tool_input|payload|body|data|with)["\']\\s{0,3}:',
  ),
  phrase(
    'tool_call',
    0.55,
    '<(?:invoke|antml:invoke|tool|function)[^>]{0,80}(?:send|forward|delete|transfer|export|shell|bash|execute|share|upload|grant|mail)[^>]{0,40}>|<tool_call>\\s{0,5}\\{|\\baction:\\s{0,3}(?:send|forward|delete|reply|transfer|execute|run|export)_\\w{2,30}\\s{0,3}\\n\\s{0,3}(?:action input|input|arguments?)\\s?:',
  ),
]
