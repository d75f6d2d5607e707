/** Makes pages livelier that work without it: asks before what cannot be undone, sends a form once, keeps what is live up to date, copies. */
export const SCRIPT = `
document.addEventListener('submit', (event) => {
  const question = event.submitter?.dataset.confirm
  const isAgain = event.target.dataset.sent === 'yes'
  if (isAgain || (question && !confirm(question))) return event.preventDefault()
  event.target.dataset.sent = 'yes'
  setTimeout(() => delete event.target.dataset.sent, 5000)
})
addEventListener('pageshow', () => {
  for (const form of document.forms) delete form.dataset.sent
})

for (const part of document.querySelectorAll('[data-live]')) {
  const renew = async () => {
    if (document.hidden || part.contains(document.activeElement)) return
    const answer = await fetch(location.href, { headers: { accept: 'text/html' } }).catch(() => null)
    if (!answer?.ok) return
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
    const fresh = page.getElementById(part.id)
    if (fresh) part.replaceChildren(...fresh.childNodes)
  }
  setInterval(renew, 5000)
}

const copies = document.querySelectorAll('[data-copy]')
if (copies.length > 0 && navigator.clipboard) {
  const said = document.createElement('p')
  said.className = 'visually-hidden'
  said.setAttribute('role', 'status')
  document.querySelector('main').append(said)
  for (const button of copies) {
    button.hidden = false
    button.addEventListener('click', async () => {
      const isCopied = await navigator.clipboard.writeText(button.dataset.copy).then(() => true, () => false)
      button.firstChild.data = said.textContent = isCopied ? 'Copied' : 'Not copied'
      setTimeout(() => { button.firstChild.data = 'Copy'; said.textContent = '' }, 2000)
    })
  }
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  if (event.target.closest('input, textarea, select, button, summary')) return
  const target = document.querySelector('[data-key="' + CSS.escape(event.key) + '"]')
  if (!target) return
  event.preventDefault()
  target.focus()
  if (target.matches('a')) target.click()
})
`
