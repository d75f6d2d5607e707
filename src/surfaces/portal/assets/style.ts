/** The one style sheet of all pages. Colours are defined once for light and once for dark; each pair has the contrast of WCAG level AA. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --card: #ffffff; --ink: #1d1b18; --soft: #5f5a52; --line: #ddd8cf; --edge: #8b857a;
  --accent: #9a3412; --accent-ink: #ffffff; --wash: #f3efe8;
  --good: #1f6b3a; --good-wash: #e3f2e7; --bad: #a4161a; --bad-wash: #fbe6e4; --wait: #7a4b00; --wait-wash: #fbefd5;
  --calm: #35507a; --calm-wash: #e6ecf6;
  --mark: 0.75rem;
  font: 1rem/1.55 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #161513; --card: #1f1d1b; --ink: #efece6; --soft: #b3aca1; --line: #38342f; --edge: #8f887c;
    --accent: #f0a57f; --accent-ink: #241006; --wash: #2a2724;
    --good: #8ed3a4; --good-wash: #1c3325; --bad: #f5a29b; --bad-wash: #43201f; --wait: #efc276; --wait-wash: #3a2c12;
    --calm: #a9c1ea; --calm-wash: #202b3d;
  }
}
*, *::before, *::after { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: anywhere; -webkit-text-size-adjust: 100% }
h1 { font-size: 1.75rem; line-height: 1.2; letter-spacing: -0.02em; margin: 0 0 .25rem; font-weight: 650; text-wrap: balance }
h1 + :not(.lead) { margin-top: 1.25rem }
h2 { font-size: 1.125rem; line-height: 1.3; margin: 2.5rem 0 .75rem; font-weight: 650; letter-spacing: -0.01em }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; font-weight: 650 }
p { margin: 0 0 1rem; max-width: 68ch }
a { color: var(--accent); text-underline-offset: .18em; text-decoration-thickness: .08em }
a:hover { text-decoration-thickness: .16em }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: .25rem }
code, pre, .mono { font: .875em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace }
pre { white-space: pre-wrap; margin: 0; padding: 1rem; background: var(--wash); border-radius: .5rem }
small, .soft { color: var(--soft); font-size: .875rem }
.lead { color: var(--soft); margin-bottom: 1.5rem }
.num { font-variant-numeric: tabular-nums }
.visually-hidden { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
.skip { position: absolute; left: 1rem; top: -5rem; background: var(--accent); color: var(--accent-ink); padding: .75rem 1.25rem; z-index: 10; border-radius: 0 0 .5rem .5rem }
.skip:focus { top: 0 }

.frame { display: grid; grid-template-columns: 15rem minmax(0, 1fr); min-height: 100vh }
.side { padding: 1.5rem 1rem; display: flex; flex-direction: column; gap: 1.5rem; position: sticky; top: 0; max-height: 100vh; overflow-y: auto }
.brand { font-weight: 700; letter-spacing: -0.02em; font-size: 1.125rem; color: var(--ink); text-decoration: none; padding: .25rem .75rem; display: inline-block }
.brand span { color: var(--accent) }
.side nav ul { list-style: none; margin: 0; padding: 0 }
.side nav h2 { font-size: .75rem; text-transform: uppercase; letter-spacing: .08em; color: var(--soft); margin: .875rem .75rem .125rem; font-weight: 600 }
.side nav a { display: flex; justify-content: space-between; align-items: center; min-height: 2rem; padding: .125rem .75rem; color: var(--ink); text-decoration: none; border-radius: .5rem; font-size: .9375rem }
.side nav a:hover { background: var(--wash) }
.side nav a[aria-current] { background: var(--wash); font-weight: 650; box-shadow: inset .1875rem 0 var(--accent) }
.count { background: var(--accent); color: var(--accent-ink); border-radius: 1rem; padding: 0 .5rem; font-size: .8125rem; font-weight: 650; line-height: 1.5 }
.who { margin-top: auto; font-size: .875rem; padding: 0 .75rem }
.who p { margin: 0 0 .5rem }
.frame main { border-left: 1px solid var(--line) }
main { padding: 2rem clamp(1.25rem, 3vw, 3rem) 5rem; max-width: 78rem; width: 100% }
#menu { display: flex; flex-direction: column; flex: 1; position: static; inset: auto; width: auto; height: auto; margin: 0; padding: 0; border: 0; background: none; color: inherit; overflow: visible }
.opener { display: none }

.narrow { max-width: 34rem; margin: 10vh auto 3rem; padding: 0 1.25rem }
.narrow main { padding: 1.5rem 0 0 }

.card { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1.25rem 1.5rem; margin: 0 0 1.25rem }
.card > :first-child, .card > input + .field > label, .card > input + :is(h2, h3), .split section > h2:first-child { margin-top: 0 }
.card > :last-child { margin-bottom: 0 }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 1px; background: var(--line); border: 1px solid var(--line); border-radius: .75rem; overflow: hidden; margin: 0 0 1.5rem; padding: 0 }
.tiles > div { background: var(--card); padding: 1rem 1.25rem }
.tiles dt { color: var(--soft); font-size: .875rem }
.tiles dd { margin: 0; font-size: 1.75rem; line-height: 1.2; font-weight: 600; letter-spacing: -0.02em; font-variant-numeric: tabular-nums }
.tiles a { color: inherit }
.split { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 20rem); gap: 2rem; align-items: start }
.split.wide { grid-template-columns: minmax(0, 1fr) minmax(0, 26rem) }
.split.wide > .actions { grid-column: 1 / -1 }
progress { width: 100%; height: .75rem; accent-color: var(--accent) }
.split.even { grid-template-columns: 1fr 1fr; gap: 1rem }
dl.facts { display: grid; grid-template-columns: minmax(7rem, max-content) minmax(0, 1fr); gap: .375rem 1.25rem; margin: 0 0 1.25rem }
section.card dl.facts, .split .card dl.facts { grid-template-columns: minmax(0, 1fr); gap: 0 }
section.card dl.facts dd, .split .card dl.facts dd { margin-bottom: .625rem }
dl.facts dt { color: var(--soft) }
dl.facts dd { margin: 0 }

table { width: 100%; border-collapse: collapse; font-size: .9375rem; margin: 0 0 1rem }
caption { text-align: left; color: var(--soft); font-size: .875rem; padding-bottom: .5rem }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: .8125rem; padding: .5rem .75rem .5rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; overflow-wrap: normal }
td { padding: .625rem .75rem .625rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
td form { display: inline }
td .row { margin: 0 }
td { overflow-wrap: break-word }
td a, td strong, td code, td pre, td .long { overflow-wrap: anywhere }
td time, td summary { white-space: nowrap }

.badge { display: inline-block; padding: .0625rem .5rem; border-radius: 1rem; font-size: .8125rem; font-weight: 600; line-height: 1.5; background: var(--wash); color: var(--ink); white-space: nowrap }
.badge.good { background: var(--good-wash); color: var(--good) }
.badge.bad { background: var(--bad-wash); color: var(--bad) }
.badge.wait { background: var(--wait-wash); color: var(--wait) }
.badge.calm { background: var(--calm-wash); color: var(--calm) }

label, .label { display: block; font-weight: 600; font-size: .9375rem; margin-top: 1rem }
fieldset { border: 0; padding: 0; margin: 1rem 0 0; min-width: 0 }
legend { font-weight: 600; font-size: .9375rem; padding: 0; margin-bottom: .25rem }
label.tick { display: flex; gap: .625rem; align-items: center; font-weight: 400; margin: 0; min-height: 2rem; padding: .25rem 0 }
label.tick input { width: 1.25rem; height: 1.25rem; min-height: 0; margin: 0; accent-color: var(--accent); flex: none }
input, textarea, select { font: inherit; font-weight: 400; width: 100%; min-height: 2.75rem; padding: .5rem .75rem; margin-top: .25rem; color: inherit; background: var(--card); border: 1px solid var(--edge); border-radius: .5rem }
textarea { min-height: 8rem; line-height: 1.5; resize: vertical }
input[aria-invalid], textarea[aria-invalid], select[aria-invalid] { border: 2px solid var(--bad) }
.hint { display: block; color: var(--soft); font-size: .875rem; font-weight: 400; margin-top: .25rem }
.wrong { display: block; color: var(--bad); font-size: .9375rem; font-weight: 600; margin-top: .25rem }
button, .button { white-space: nowrap; font: inherit; font-weight: 600; display: inline-flex; align-items: center; justify-content: center; min-height: 2.75rem; padding: .5rem 1.25rem; cursor: pointer; border-radius: .5rem; border: 1px solid var(--edge); background: var(--card); color: var(--ink); text-decoration: none }
button:hover, .button:hover { background: var(--wash) }
button.primary, .button.primary { background: var(--accent); border-color: var(--accent); color: var(--accent-ink) }
button.primary:hover, .button.primary:hover { filter: brightness(1.1) }
button.danger { color: var(--bad); border-color: var(--bad) }
button.small, .button.small { min-height: 2rem; padding: .125rem .75rem; font-size: .875rem }
button[hidden] { display: none }
.copied { display: flex; flex-wrap: wrap; gap: .5rem; align-items: baseline }
.copied code { user-select: all; max-width: 34rem }
.row { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; margin: 0 0 1.25rem }
.row > * { margin-top: 0 }
.row label { margin-top: 0 }
.row > .field, .row > label { flex: 1 1 10rem; max-width: 20rem }
.row label.tick { flex: 0 1 auto }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0 .75rem; align-items: center }

.note { border-left: .25rem solid var(--accent); background: var(--wash); padding: .75rem 1rem; border-radius: 0 .5rem .5rem 0; margin: 0 0 1.5rem }
.note.bad { border-color: var(--bad); background: var(--bad-wash); color: var(--bad); font-weight: 600 }
.note.good { border-color: var(--good); background: var(--good-wash); color: var(--good); font-weight: 600 }
.note > :last-child { margin-bottom: 0 }
.empty { margin: 0 0 1.25rem; border: 1px dashed var(--edge); border-radius: .75rem; padding: 2rem; text-align: center; color: var(--soft) }
.empty p { margin: 0 auto }
.secret { font: .9375rem/1.5 ui-monospace, Menlo, Consolas, monospace; background: var(--wash); border: 1px solid var(--edge); padding: .75rem 1rem; border-radius: .5rem; user-select: all }

iframe.mail { width: 100%; height: 22rem; border: 1px solid var(--line); border-radius: .75rem; background: #ffffff; display: block }
ol.line { list-style: none; margin: 0; padding: 0 }
ol.line > li { position: relative; padding: 0 0 1.25rem 1.5rem; border-left: 2px solid var(--line); margin-left: .375rem }
ol.line > li::before { content: ""; position: absolute; left: -.4375rem; top: .4rem; width: var(--mark); height: var(--mark); border-radius: 50%; background: var(--edge); border: 2px solid var(--paper) }
ol.line > li.good::before { background: var(--good) }
ol.line > li.bad::before { background: var(--bad) }
ol.line > li.wait::before { background: var(--wait) }
ol.line > li:last-child { border-color: transparent; padding-bottom: 0 }
ol.line p { margin: 0 }
ul.rules { list-style: none; padding: 0; margin: .5rem 0; display: grid; gap: .25rem }
ul.rules li { display: flex; gap: .75rem; align-items: baseline; flex-wrap: wrap }
ul.plain { padding-left: 1.1rem; margin: 0 0 1rem }

figure { margin: 0 0 1.5rem }
figcaption { font-weight: 600; margin-bottom: .75rem }
.chart { width: 100%; height: auto; display: block; font-size: 13px }
.chart text { fill: var(--soft) }
.chart .grid { stroke: var(--line) }
.sent { fill: var(--good); background: var(--good) }
.held { fill: var(--wait); background: var(--wait) }
.blocked { fill: var(--bad); background: var(--bad) }
.failed { fill: var(--calm); background: var(--calm) }
.silent { fill: var(--wash) }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; padding: 0; margin: .5rem 0 0; font-size: .875rem }
.legend i { display: inline-block; width: .75rem; height: .75rem; border-radius: .1875rem; margin-right: .375rem }
summary { cursor: pointer; min-height: 2rem; color: var(--accent); font-weight: 600; padding: .25rem 0 }
.pager { display: flex; justify-content: flex-end; gap: .75rem; margin: 1rem 0 }

@media (min-width: 72.01rem) {
  td > div:is(.long, :has(code)) { min-width: 10rem }
  td > div:has(a) { min-width: 12rem }
}
@media (max-width: 72rem) {
  table, tbody, tr, td { display: block; width: 100% }
  table { overflow: visible }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
  tr { border-bottom: 1px solid var(--line); padding: .5rem 0 }
  td { border: 0; padding: .125rem 0; display: grid; grid-template-columns: 7.5rem minmax(0, 1fr); gap: .5rem }
  td:has(> div:empty) { display: none }
  td::before { content: attr(data-label); color: var(--soft); font-size: .875rem }
}
@media (max-width: 56rem) {
  .frame { display: block }
  .side { position: static; border-right: 0; border-bottom: 1px solid var(--line); padding: .5rem 1rem; max-height: none; display: block }
  .side .bar { display: flex; align-items: center; justify-content: space-between }
  .brand { padding: .25rem 0; min-height: 2.75rem; display: inline-flex; align-items: center }
  .opener { display: inline-flex }
  #menu { display: none; position: fixed; inset: .75rem; width: auto; background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: .5rem 1rem 1rem; overflow-y: auto }
  #menu:popover-open { display: block }
  #menu::backdrop { background: rgb(0 0 0 / .5) }
  .side nav a { min-height: 2.75rem }
  .who { padding: 1rem .75rem }
  main { padding-top: 1.5rem }
  .split, .split.wide, .split.even { grid-template-columns: minmax(0, 1fr); gap: 0 }
  h1 { font-size: 1.5rem }
  .card { padding: 1rem }
  dl.facts { grid-template-columns: minmax(0, 1fr); gap: 0 }
  dl.facts dd { margin-bottom: .625rem }
  .tiles { grid-template-columns: 1fr 1fr }
  .tiles > :last-child:nth-child(odd) { grid-column: 1 / -1 }
  .frame main { border-left: 0 }
  .row > .field, .row > label { max-width: none; flex-basis: 100% }
  .days { font-size: 24px }
}
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth } }
`
