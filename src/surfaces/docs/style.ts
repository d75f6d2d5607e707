/** The head of the page, and darker colours where the library's contrast is too low. */
export const STYLE = `
body { margin: 0; color: #1d1b18; background: #ffffff; font: 1rem/1.5 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
header, noscript p { max-width: 1460px; margin: 0 auto; padding: 1.5rem 1.25rem 0; box-sizing: border-box }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .5rem }
header p { margin: 0 0 1rem; max-width: 68ch }
header ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: 0; padding: 0 }
header a { color: #9a3412; display: inline-block; padding: .25rem 0 }
header a[aria-current] { font-weight: 650; color: inherit }
:focus-visible { outline: 3px solid #9a3412; outline-offset: 2px }
.swagger-ui .scheme-container { padding: 1rem 0; box-shadow: none }
.swagger-ui .btn.authorize { color: #1f6b3a; border-color: #1f6b3a }
.swagger-ui .btn.authorize svg { fill: #1f6b3a }
.swagger-ui .btn.cancel { color: #b3261e; border-color: #b3261e }
.swagger-ui .btn.execute { background: #1d5fa8; border-color: #1d5fa8 }
.swagger-ui .download-contents { background: #4a4f5c }
.swagger-ui .opblock.opblock-get .opblock-summary-method { background: #1d5fa8 }
.swagger-ui .opblock.opblock-post .opblock-summary-method { background: #1f6b3a }
.swagger-ui .opblock.opblock-put .opblock-summary-method { background: #8a4b00 }
.swagger-ui .opblock.opblock-patch .opblock-summary-method { background: #0b6b62 }
.swagger-ui .opblock.opblock-delete .opblock-summary-method { background: #b3261e }
`
