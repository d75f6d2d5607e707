import type { Intent } from './intents.ts'

export type Meaning = Exclude<Intent, 'unclassified'>

/** How strong a phrase is: `clear` decides alone, `likely` supports a meaning, `hint` only adds to others. */
export type Strength = 'clear' | 'likely' | 'hint'

/**
 * Phrases in replies, separated by `;`. They are regular expressions in the form that `plain` in embedded.ts makes: lower
 * case, no accents, contractions written out. `..` stands for up to three words.
 */
export const PHRASES: Record<Meaning, Partial<Record<Strength, string[]>>> = {
  out_of_office: {
    clear: listed(String.raw`
      out of (the )?office; ooo; (automatic|automated|auto) ?-?(reply|response|answer|message); autoreply;
      autoresponder; vacation reply;
      on (annual |parental |maternity |paternity |sick |medical |extended )?leave;
      on (vacation|holiday|holidays|pto|sabbatical|a business trip);
      away from (my|the) (desk|office|email|computer);
      (office|we) (is|are|will be) closed (for|until|from|on); limited access to (my )?e?-?mails?;
      (no|without|sporadic|intermittent|limited) (access to|internet|connectivity|email access);
      sporadic access; (back|return|returning) (in|to|at) (the office|work|my desk);
      currently (away|traveling|travelling|unavailable|out);
      (i|we) (am|are) (out|away) (sick|today|this|until|from|for); will be away; be back on;
      (in|during) my absence; will (respond|reply|answer) .. (when|after|upon|once) (i|my); left the office;
      nicht im (buro|haus|office); im (urlaub|mutterschutz|krankenstand); in elternzeit; abwesenheit\w*;
      abwesend; auf (dienstreise|geschaftsreise); automatische (antwort|ruckantwort|nachricht);
      meine vertretung; nicht weitergeleitet; keinen zugriff auf meine; wieder (erreichbar|im buro|da);
      (absent|absente) (du|de|jusqu)\w*; reponse automatique; en (conge|conges|deplacement|vacances);
      de retour le; absente? du bureau; message d'absence; fuera de (la )?oficina; de vacaciones;
      respuesta automatica; estare (ausente|fuera); sin acceso (al|a mi) correo; a mi regreso;
      ausente (del|hasta); gone (fishing|hiking) until; will be out; out until; office hours are;
      not (reading|checking) .. (e-?mails?|mail|inbox|messages); (on|gone on) .. leave;
      shut ?down (between|from|until|for); office will be closed; closed (between|from|for the);
      lese .. (mails?|e-mails?|nachrichten) .. (nur|nicht|unregelmassig);
      auf .. (fortbildung|reisen|seminar); (serai|suis) .. de retour; de baja (medica|por|maternal|paternal);
      en arret maladie; unregelmassig;
      (at|attending) a (trade fair|conference|workshop|training|wedding|funeral); elternzeit;
      krankgeschrieben
    `),
    likely: listed(`
      for urgent (matters|issues|requests|inquiries); if urgent; anything urgent; (in|for) urgent cases;
      in dringenden fallen; en cas d'urgence; (asuntos|casos) urgentes; public holiday; expect delayed;
      delayed responses?; replies will be slow; away .. through; traveling; travelling;
      please contact my colleague; next business day; returning;
      will (be )?(back|return) (on|in|after|until); not be reading; direct your requests;
      bis einschliesslich; verreist; away until; attending a conference; be back;
      slow to (answer|reply|respond); in the meantime; not work on; my assistant; contacte con;
      wenden sie sich; contactez; escriba a; will hear from me; all week; urlaub; krank
    `),
    hint: listed(`
      until (monday|tuesday|wednesday|thursday|friday); thank you for your (e-?mail|message); i will be back
    `),
  },
  unsubscribe: {
    clear: listed(String.raw`
      un ?sub\w*; unsus\w+; remove me;
      remove (us|my|our|this) .. (e-?mail|address|name|contact|company|domain); take (me|us|my|our) .. off;
      taken? .. off .. (list|e-?mails|emails|mailing); off (your|this|the) .. list;
      stop .. (emailing|e-?mailing|mailing|contacting|messaging|writing|spamming|bothering); stop sending;
      stop with (these|the|your); opt (me |us )?out; opt-?out; no (more|further) (e-?mails?|messages|mails?);
      do not .. (e-?mail|mail|contact|write|message) (me|us|this|again|anymore)( again)?;
      not want .. (e-?mails?|messages|newsletters?);
      never .. (e-?mail|contact|write|message) (me|us|this)( again)?;
      (from|off|of|in) your .. (mailing|distribution|e-?mail|marketing) ?(list|lists|emails|database);
      delete (my|our|this) .. (e-?mail|address); cease .. communications?; do not wish to receive;
      never (signed up|subscribed); did not (sign up|subscribe);
      not (sign up|subscribe) (for|to) (this|these); no longer (wish|want) to (receive|get|hear); abmelden;
      abbestell\w+; (aus|von) (ihrem|dem|eurem|ihrer|der) .. ?(verteiler|mailingliste|liste|newsletter);
      keine weiteren? .. (e-?mails?|mails?|nachrichten|werbung|newsletter);
      keine (e-?mails?|werbung|newsletter) mehr; austragen; keine weitere werbung; desinscri\w+; desabonn\w+;
      liste de diffusion; ne (souhaite|veux) plus recevoir; plus recevoir; darme de baja; den?me de baja;
      dar de baja; de baja de; lista de (correos?|distribucion); no (quiero|deseo) recibir;
      cancelen? mi suscripcion al; desuscrib\w+; retirez .. de (votre|vos);
      not .. receive (these|your|any|further) .. e-?mails?; strike me;
      quit .. (mailing|writing|emailing|contacting|spamming); stop getting (these|this|your|any); delete me;
      erase me; keine (mails?|e-mails?|newsletter|nachrichten|werbung) mehr;
      nicht mehr (anschreiben|kontaktieren|schreiben); arretez de; ne m'(ecrivez|envoyez|contactez) plus;
      supprimez (mon|notre) .. (adresse|email|compte|nom); no me .. mas;
      dejen? de (enviar|escribir|mandar)\w*; borren? mi (correo|direccion|nombre);
      (loschen|entfernen|streichen) sie .. (adresse|mich|uns);
      stop (these|the|your|all) .. (e-?mails?|messages|newsletters?)
    `),
    likely: listed(`
      mailing list; distribution list; marketing e-?mails; do not contact; lose my (number|e-?mail|address);
      newsletter abbestellen; leave me alone; stop; not contact; aus dem verteiler; verteiler; whatever list; unwanted; belongs to someone else
    `),
    hint: listed(`
      newsletter; spam; boletin
    `),
  },
  legal: {
    clear: listed(String.raw`
      lawyers?; attorneys?; solicitors?; (general |legal |outside )?counsel; cease and desist;
      legal (action|steps|proceedings|team|department|dept|review|notice); law ?suits?; sue; suing; subpoena;
      gdpr; dsgvo; rgpd; ccpa; can-?spam; dmca; nda; dpa; msa; scc; non-?disclosure;
      data (processing|protection) (agreement|authority|officer|addendum); dpo; redlin\w+; infring\w+;
      trademark; copyright; indemni\w+; liability (clause|cap); limitation of liability; governing law;
      jurisdiction; breach of (the |our )?contract; litigation; hereby (notified|terminate);
      without prejudice; notice of claim; unlawful; against the law; settlement; terms of service;
      right to be forgotten; (erase|delete) .. (my|all) .. (personal )?(data|records|information);
      personal (data|information) .. (hold|store|collected|have); anw(a|ae)lt\w*; rechtsanwal\w+; abmahnung;
      unterlassung\w*; rechtliche schritte; auskunft nach; vertragsverletzung; rechtsabteilung; klage;
      avocat\w*; tribunal; mise en demeure; donnees personnelles; poursuites; service juridique; abogad\w+;
      demanda; acciones legales; datos personales; proteccion de datos; contract (review|amendment);
      complaint .. (authority|regulator|commission); personenbezogene\w* daten; right by law; law firm;
      damages; signatory; countersign\w*; confidentiality; see (me|you|us) in court; take you to court;
      datenschutz\w*; porter plainte; plainte; licen[cs]e (agreement|terms|fee); object to the processing;
      (demand|request|require) .. (deletion|erasure|removal|disclosure);
      without (a )?(licence|license|permission); addendum; warranty; liable; liability; statutory;
      arbitration; juristisch\w*; gericht\w*; juzgado; clause \d+; beschwer\w+; huissier; contrat; contrato;
      sued; legally; injunction; intellectual property; rights? (to|of) (access|erasure);
      withdraw (my )?consent; my data
    `),
    likely: listed(String.raw`
      legal; compliance; our contract; contractual; clauses?; section \d+; consent; regulator; personal data;
      terminate the (contract|agreement); the agreement; harassment; my client; our client;
      on behalf of (ms|mr|mrs|our); proceedings; court; vertrag\w*; law; redline; where did you get my; ftc;
      unsolicited; legislation; law(s)?; rights?; hold you responsible; sign(ed|ing)? the; ombudsman;
      within (\d+|one|two) (hours|days|month|weeks)
    `),
    hint: listed(`
      contract; agreement; terms; privacy; signature
    `),
  },
  security: {
    clear: listed(String.raw`
      phishing; phish; vulnerabilit\w+; vulnerable; xss; csrf; idor; sql injection; rce; cve-\d+\S*;
      bug bounty; responsible disclosure; hacked; hackers?; compromised;
      (data|security) (breach|leak|incident); breach(ed)?; leaked; malware; virus; ransomware; trojan;
      spoof\w+; unauthori[sz]ed; suspicious; stol(e|en) .. (token|key|password|credentials|account|identity);
      pentest\w*; penetration test\w*; soc ?2( report)?; iso ?27001;
      security (questionnaire|team|review|report|issue|hole|contact|assessment); infosec; ciso; fraud\w*;
      scam; intrusion; exploit\w*; exposed? .. (credentials|keys?|data|records|passwords?);
      credentials .. (exposed|leaked|public); encrypted at rest; encryption; impersonat\w+; pretending to be;
      was(n| no)t me; was not me;
      did not (request|make|ask for|initiate) .. (password|reset|login|code|change); proof of concept;
      gehackt; sicherheitslucke; verdachtige?\w*; datenleck; schadsoftware; betrug\w*; pirat(e|ee|age);
      hameconnage; faille de securite; acces non autorise; no autorizad\w+; hacke\w+; vulnerabilidad;
      suplantacion; estafa; fake e-?mail; unbefugt\w*;
      (someone|somebody) .. (logged in|got into|accessed|using|changed|get into|has access|is sending);
      rotate .. (keys?|tokens?|credentials|secrets?); revoke;
      (open|see|read|access) .. (invoices|messages|data|records|files) of (other|another);
      uses your (logo|name|brand); failed (sign-?ins?|logins?|log-?ins?|attempts);
      open to the (internet|public|world); gefalscht\w*; viren; trojaner;
      (who|somebody|someone) .. (created|deleted|changed) .. (api|key|keys|token|user|account|password);
      (entro|accedio|entraron) en mi cuenta; publicly (accessible|readable|available); without a password;
      collect passwords; steal\w*; data protection measures;
      where .. (data|servers) .. (stored|stand|located|hosted); hijack\w*; takeover; taken over; botnet;
      keylogger; brute force; ddos; plaintext; unencrypted; certificate (expired|invalid);
      (fremde|unbekannte) .. (zugriff|anmeldung)\w*; angriff; usurp\w+; robad\w+; robo; penetration;
      risk (department|assessment|team)
    `),
    likely: listed(String.raw`
      security; suspicious login; login from; logged in from; never asked for; clicked (the|on the|a) link;
      do not click; still has access; abuse; lock the account; seguridad; sicherheit; securite;
      public (repo|bucket); lock my account; token; sends? .. we did not make;
      is this (e-?mail|message) really; headers attached; strange (e-?mails?|mail|activity|login);
      no idea who; alguien; failed; attack\w*; breach
    `),
    hint: listed(`
      password; 2fa; access; credentials; unknown domain
    `),
  },
  billing: {
    clear: listed(String.raw`
      invoices?; refund\w*; (double|over|under)?-?charged; charged twice; overcharg\w+; charge ?back;
      billing; billed; receipt; credit (card|note); payment (failed|method|terms|details|was|is|has);
      accounts? payable; purchase order; po number; vat( number| id)?; sales tax; tax exempt; proforma;
      pro-?forma; money back; outstanding balance; iban; bank (account|details|transfer|confirmation);
      wire transfer; net (14|15|30|45|60|90); pro-?rated; cancel .. (subscription|plan|membership);
      (downgrade|upgrade) .. (plan|subscription); dispute the charge; card (expired|was declined|declined);
      rechnung\w*; abbuch\w+; abgebucht; ruckerstatt\w+; zahlung\w*; bezahlt; gutschrift; mahnung;
      lastschrift; buchhaltung; kundigung des abos?; factur\w+; prelev\w+; rembours\w+; paiement;
      resili\w+ .. abonnement; cobrado; cobro; reembols\w+; (el )?pago; recibo; importe; annual billing;
      monthly billing; expense report; remittance;
      (took|withdrew|deducted|debited) .. (dollars|euros|usd|eur|money|pounds|payment); direct debit;
      (issue|send) the bill; zu viel bezahlt; uberweis\w+; uberwiesen; transferencia; tarjeta; facturation;
      (pay|paying|paid) for; pay (by|with|via) (paypal|card|check|cheque|transfer|bank);
      settled .. (invoice|bill|this|it); price increase; (preis|betrag|kosten)\w*; pay for \d+;
      billing address; late fee; wire; cheque; paypal; stripe; carte bancaire; virement; gutgeschrieben;
      konto belastet; transaction; trial .. free; installments?; quarterly fee; fees?; licence fee
    `),
    likely: listed(String.raw`
      payments?; paid; charges?; charged; subscription; discount; owe; wire; my card; our bill;
      finance department; accounting; balance; amount; mid month; expired; seats .. (nobody|unused);
      abonnement; suscripcion; downgrade; upgrade; due date; overdue; bill; bounced; dollars; euros; pay;
      reminder; seats; adjust; prix; precio; debit\w*; costs?; money
    `),
    hint: listed(`
      plan; bank; card; tax; renewal
    `),
  },
  support: {
    clear: listed(String.raw`
      can not (log|sign) ?in; unable to (log|sign|access|send|connect|open|find|reset);
      (does|do|did|is|are|has|have) not (work|working|load|loading|sync|syncing|verify|show|appear|open|respond|receive|arrive|being delivered|return);
      not working; stopped (working|syncing|sending|responding); (error|fehler)(s|n)?;
      error (message|code|500|404|403); bug; crash\w*; outage; broken; times? out; timing out;
      how (do|can|would|should) (i|we) (?!sign up|get started|start|buy|order|downgrade|upgrade|pay)\w+;
      steps to reproduce; forgot (my|the) password; reset (my|the|our) password; password reset; trouble;
      greyed out; can not (access|find|get|send|connect|open|see|reset); could not find;
      walk (me|us) through; stuck; something (is|went) wrong; what (went|is) wrong; fehlermeldung;
      funktioniert (\w+ )?nicht; nicht (mehr )?anmelden; anmelden .. nicht; geht nicht( mehr)?; n'arrive pas;
      ne (fonctionne|marche) (pas|plus); mot de passe; no (funciona|puedo|carga|me deja); contrasena;
      me sale un error; still not (fixed|resolved|working); not (fixed|resolved); reopen; ticket;
      by accident; documentation; lost my (api key|password|phone); was mache ich falsch; woran liegt;
      can you help; need .. help; can be restored; bricht .. ab; logs? (me|us) out; fails?; failing;
      technical (support|issue|problem); weird results; passwort;
      never (receive|received|get|got) (the|their|a|any); nothing happens (when|if|after);
      (white|blank|black|empty) (page|screen); which (port|setting|version|plan|menu|button|server) \w+;
      wie kann ich; wie (mache|bekomme|richte|andere|losche|kann) (ich|man|wir);
      comment (puis-je|faire|peut-on|je|puis); como (puedo|hago|se)( \w+)?; any idea;
      (have|has) (vanished|disappeared); show(s|ing)? up (at|as|in|late|twice|wrong); instead of the;
      (no|not) longer (works?|loads?|opens?|sends?|shows?); freez(es|ing)|frozen screen; (gone|went) missing;
      lost (all )?(my|our) (data|drafts|contacts|messages|work); hangs; spinning;
      keeps (failing|crashing|loading|asking|saying); troubleshoot\w*; malfunction\w*; glitch\w*;
      where (do|is|are|can) (i|we|the) \w+; deleted by mistake; latest version; does nothing; funktioniert;
      klappt nicht; kaputt; absturz\w*; sturzt ab; en panne; ne s'affiche; bloque;
      no (aparece|llegan?|carga|encuentro)
    `),
    likely: listed(String.raw`
      help; issue; problem\w*; probleme; login; log in; account; password; settings?; webhooks?; api; dns;
      screenshot; configure; install\w*; where can i; is it possible; how to; import; export; dashboard;
      slow; sync; update; missing; twice; konnen sie mir helfen; pouvez-vous m'aider; ayuda\w*; hilfe;
      mailbox; migrat\w+; delivered; integration; 2fa; does your; click\w*; signing in; browser; chrome;
      firefox; safari; outlook; smtp; domain; drafts?; workspace; variables?; contacts; upload\w*;
      download\w*; configur\w+; since (this morning|yesterday|today|last); hinzufugen; exporter
    `),
    hint: listed(`
      app; support; button; page; link; annoying; since yesterday; seit gestern; feature; version
    `),
  },
  objection: {
    clear: listed(String.raw`
      not(?! only) .. (interested|intersted|intrested); no interest; never be interested;
      (uninterested|disinterested);
      already (have|use|using|work with|working with|got|covered) .. ?(vendor|provider|solution|supplier|tool|agency|partner|one)?;
      (have|using|use) (a|another|an existing) (vendor|provider|supplier); happy with (our|what|the);
      (good|fine|happy|satisfied) with (what|our|the); all set; no,? thanks; no,? thank you; hard pass;
      (will|to|would) (have to )?pass; pass on (this|that|it); too (expensive|pricey|costly); overpriced;
      (not|no) .. (good |right )?fit; not for us; not relevant; no need; not need;
      do not see .. (value|point|need|benefit|fit); not convinced; not impressed;
      went with (a|another|someone|somebody); chose (a|another);
      not (to )?(move|moving|go|going|proceed|proceeding) (forward|ahead|with); decid\w+ against; decline;
      not looking (to|for); built .. in-?house; in-?house (solution|tool|team); overkill;
      (lacks?|missing) the features?; can not justify; can not afford; no plans; do not pitch;
      cold (e-?mails?|calls?); stop pitching; serious doubts; waste of (time|money); does not work for us;
      do not work for us; not work for us; locked in with; not what we; kein\w* (interesse|bedarf);
      nicht interess\w+; kein bedarf; zu teuer; anderen? anbieter; passt (leider )?nicht;
      sehen sie von .. ab; pas interess\w+; trop cher; deja (un|une) (prestataire|fournisseur|solution);
      pas pour nous; pas besoin; no (me|nos) interesa; no estamos interesad\w+; demasiado caro; ya tenemos;
      muy caro; no necesitamos; nein,? danke; non,? merci; no,? gracias; sales pitch; nope; moving on;
      good luck; double what we; (can|could) not see (us|myself|any|how|why); voted against;
      turned (it|this|you|the offer) down;
      not .. (want|wants|wish|willing|going) to (change|switch|buy|pay|replace|continue|use);
      nobody .. (wants|needs|would) \w+; not add up; not something .. (would|need|use|want);
      (haben|sind) uns fur einen; mitbewerber|wettbewerber; (bleiben|sind) (bei|zufrieden) ..; still no;
      answer is .. no; stay (where|with what|with our) \w+; terrible reviews; bad reviews;
      (would|will|do) not .. (use|buy|pay|work|consider|need)( it| this| that)?; no use for; no value;
      not .. (worth|useful|helpful|compelling); rather (stay|not|keep); not our (thing|style|focus|business);
      happy (customers?|users?) of; (reject|rejected|refuse|refused); non merci;
      prefer (our|to stay|to keep); thanks but no; never .. (use|buy|work); wrong (company|market|audience);
      lehnen .. ab; nicht uberzeugt; brauchen wir nicht; kein budget dafur; on reste; pas convaincu\w*;
      no nos convence; no es para nosotros; preferimos
    `),
    likely: listed(String.raw`
      unfortunately; expensive; competitor; vendor; current provider; switch; another tool; leider;
      wir arbeiten bereits; satisfaits; price is; convinced; pitch; doubts?; skeptical; concerned;
      we are a \w+ shop; against; add up; competitors; disappoint\w*
    `),
    hint: listed(`
      sorry; no; however; thanks but
    `),
  },
  not_now: {
    clear: listed(String.raw`
      not (right )?now; not (yet|today|this (week|month|quarter|year)); bad (time|timing|moment);
      timing (is|was) (not|off|bad); not .. (good|right|best|great) (time|moment);
      (next|following) (quarter|year|fiscal year|spring|summer|autumn|fall|winter); circle back; check back;
      touch base;
      (try|ask|ping|contact|write|remind|reach out to|email|call) (me |us )?.. ?(again )?(in|after|later|next) ?(\d+|a few|a couple|january|february|march|april|may|june|july|august|september|october|november|december|the)?;
      (come|get|circle|check|reach) (back|out) .. (in|after|later|next|when); revisit; reconnect;
      (later|end of) (this|the) (year|quarter|month|summer); down the (road|line);
      no (bandwidth|capacity|budget); not have (the )?.. ?(bandwidth|capacity|budget|time);
      budget .. (frozen|freeze|spent|gone); hiring freeze; freeze; on hold; hold off; postpone\w*;
      push(ed)? .. to (next|q\d|january|later); park (this|it); too (early|busy|soon); swamped; heads down;
      not (a )?priority; not ready; at the moment; for the time being; maybe (later|someday|next|another);
      not .. (until|before|till); rather wait; wait (until|till|with|for);
      in (a|\d+|two|three|six|few) .. ?(weeks|months); q[1-4]; h2; now is not the time; another time;
      some other time; (in|after|until|early) .. new year; follow up in; get back to you;
      (aktuell|momentan|derzeit|zurzeit|im moment) .. (nicht|keine?n?|leider);
      (im|nachstes|nachsten|kommendes) (jahr|quartal|monat|herbst|fruhjahr|sommer|januar);
      spater (noch einmal|wieder|noch mal); spater; budget .. (verplant|ausgeschopft); keine kapazitat\w*;
      pas le (bon )?moment; pour le moment; pour l'instant; plus tard; recontact\w+; revenez vers;
      l'annee prochaine; por (el|ahora) momento; ahora (mismo )?no; por ahora; mas adelante;
      proximo (ano|trimestre|mes); dentro de .. (meses|semanas); no es (un )?buen momento;
      kommen sie .. auf mich zu; melden sie sich; until mid-?\w+;
      in (spring|summer|autumn|fall|winter|january|february|march|april|may|june|july|august|september|october|november|december|20\d\d) instead;
      (buried|drowning|snowed under|underwater|slammed) ?(in|with|by)?; once a year;
      give us .. (year|months|weeks|time); (finish|close|complete|wrap up) .. first; zero headcount;
      until (the|we|our|my|i) .. (start|starts|close|closed|finish|finished|is|are|return|done|over);
      im augenblick; im (fruhling|fruhjahr|sommer|herbst|winter) .. ?(noch ?mal|wieder|erneut|nach);
      fragen sie .. (nochmal|noch mal|wieder|spater); hablamos (en|mas|el); este ano (ya )?no; sleep on it;
      talk .. (when i|when we|in autumn|in spring|in fall|later|next);
      better (talk|ask|write|call) .. (in|when|after|later); premature; stretched;
      come back to (this|me|us|you) (later|in|when|after); next time;
      in the (spring|summer|autumn|fall|winter|future|coming); year-?end; kommendes jahr;
      andere (baustellen|prioritaten); keine zeit; pas avant; trop tot; aun no; todavia no; mas tarde;
      plus tard dans
    `),
    likely: listed(`
      later; busy; quarter; delayed; someday; budget; crazy; after (the|our|that); priority; noch nicht;
      erst; bandwidth; migration; again in; reorg; when we are ready; janvier; rentree; enero; talk in the;
      haven?t had time; give me until; months; funding round; merger; instead; headcount; year-end;
      in (january|february|march|april|june|july|august|september|october|november|december|spring|autumn);
      only look at
    `),
    hint: listed(`
      until; wait; still on my list; maybe; before; summer; january; september; vielleicht; quizas
    `),
  },
  interested: {
    clear: listed(String.raw`
      (very |really |quite |definitely |still )?(interested|intersted|intrested) in;
      (am|are|be|very|still|sounds?|looks?|definitely|both) (very |really )?(interested|interesting|intrested|great|good|promising|perfect|awesome|fantastic);
      tell (me|us) more; learn more; more (info|information|details);
      (send|share|forward|provide) .. (deck|details|info|information|pricing|proposal|quote|brochure|invite|times|link|contract|case studies|availability|order form);
      (love|like|happy|glad|keen|open|excited|want|great|eager) to (see|chat|talk|meet|try|learn|hear|discuss|explore|connect|hop|jump|move|give|schedule|a quick|a call|do);
      set ?up .. (call|meeting|demo|time|chat);
      (schedule|book|arrange|plan) .. (call|meeting|demo|time|chat|minutes|session);
      let us (talk|chat|meet|do|schedule|connect|discuss|set|get|go|start|jump|hop); hop on; jump on a call;
      calendar (link|invite); call me; give (it|this) a (try|go|shot); sign (me|us) up; count (me|us) in;
      next steps?; move forward; go ahead; how (much|soon can);
      how (do|can) (i|we) (sign up|get started|start|buy|order); (good|great|right|perfect) fit;
      what does it cost; pricing; quote (me|us|for); see a demo; a demo; works for (me|us); when can we;
      looking for (something|exactly|a); perfect timing; good timing; timing is good;
      caught my (eye|attention); got (my|our) attention; i am in; loved it; open to; grosses interesse;
      klingt (gut|spannend|interessant|super|toll); interessiert( mich| uns)?;
      (schicken|senden) sie (mir|uns) .. (angebot|informationen|unterlagen|infos);
      (telefonieren|termin vereinbaren|kurz sprechen); gerne (mehr|einen|weitere); m'interesse;
      nous interesse; je suis interesse; (fixer|prendre|convenir) .. (rendez-vous|rdv); vos tarifs;
      (me|nos) interesa; nos gustaria; me gustaria; agendar; una (demostracion|llamada|reunion);
      cuentame mas; en savoir plus;
      (free|available) (on |this |next )?(monday|tuesday|wednesday|thursday|friday|tomorrow|anytime|after);
      how (does|about|is) (monday|tuesday|wednesday|thursday|friday|tomorrow|next);
      (monday|tuesday|wednesday|thursday|friday|tomorrow) .. works; send me some times; absolutely;
      definitely; yes please; who should we speak; quote; evaluating; not a bad idea; we are in;
      ready to (sign|start|buy); want to (buy|order); curious; convince me;
      (can|could) make (\d+|it|monday|tuesday|wednesday|thursday|friday); sign-?off; where do i (put|sign);
      who can i (talk|speak) to; (exactly|just) (our|my|what) (situation|problem|case|need|we|i)\w*;
      pourquoi pas; je veux bien; passt mir; passt (bei )?(mir|uns)( gut)?; rufen sie mich; shall we;
      walk (me|us) through how this; what would .. (cost|set us back|look like);
      let me know (when|how|what) .. (available|works|next|start); neat; impressive; impressed;
      we would (love|like); go on then; ten minutes; quick (chat|call) works; in principle yes; on board;
      all ears; keen; intrigued|intriguing; fascinat\w+;
      would (be )?(useful|helpful|valuable) (for|to) (us|me); (zoom|teams|google meet|meet)( link)?;
      purchase; green light; gefallt (mir|uns); spannend; unbedingt; avec plaisir; volontiers;
      ca m'interesse; vale,? (hablamos|perfecto); perfecto; adelante; de acuerdo
    `),
    likely: listed(`
      interested; interesting; sounds good; looks good; demo; yes; sure; perfect; let us; call; meet;
      thursday; tuesday; order; case studies; deck; proposal; gerne; angebot; oui; interesse; explore; trial;
      pilot; start; disponibilidad; presentation; site; rollout; sounds; talk to
    `),
    hint: listed(`
      details; price; cost; ja; si; happy to; great; boss; monday; wednesday; friday; tomorrow
    `),
  },
}

/** Matches if the whole message says only this. */
export const WHOLE: Partial<Record<Meaning, RegExp>> = {
  unsubscribe:
    /^(please )?(stop|remove|unsub\w*|unsubscribe|opt out|cancel|end|quit|abmelden|baja|stopp)( please| all| now)?\W*$/,
  objection:
    /^(no|nope|nah|nein|non|pass|no way|not interested|no thanks?)( thanks?| thank you| sorry| danke| merci| gracias)?\W*$/,
  interested:
    /^(yes|yep|yeah|sure|ok sure|yes please|absolutely|definitely|ja|oui|si)( please| gerne| thanks?| of course)?\W*$/,
  not_now: /^(later|not now|not yet|maybe|maybe later|next (year|quarter|month))\W*$/,
}

function listed(phrases: string): string[] {
  return phrases
    .split(';')
    .map((phrase) => phrase.trim())
    .filter((phrase) => phrase !== '')
}
