/**
 * Shows the document that the page names with Swagger UI. The library's link inside each operation is replaced by text: a
 * link inside a button is not accessible. Its title and server list are left out, because the page has them already.
 */
export const SCRIPT = `
const place = document.getElementById('reference')
SwaggerUIBundle({
  domNode: place,
  url: place.dataset.document,
  validatorUrl: null,
  filter: true,
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: -1,
  syntaxHighlight: false,
  plugins: [
    ({ React }) => ({
      components: {
        DeepLink: ({ text }) => React.createElement('span', null, text),
        InfoContainer: () => null,
        ServersContainer: () => null,
      },
    }),
  ],
})
`
