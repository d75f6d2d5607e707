import { gap, type Phrase, phrase } from './phrase.ts'

export const OTHER_LANGUAGES: Phrase[] = [
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
