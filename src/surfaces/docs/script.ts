/**
 * Shows the document that the page names, by Swagger UI. Its operations are buttons: the library's link within each would be
 * a control within a control, and the title and the one server stand on the page already.
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
