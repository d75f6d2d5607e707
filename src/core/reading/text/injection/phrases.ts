import { ENGLISH } from './english.ts'
import { OTHER_LANGUAGES } from './other-languages.ts'
import { type Phrase, phrase } from './phrase.ts'

export const PHRASES: Phrase[] = [...ENGLISH, ...OTHER_LANGUAGES]

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
