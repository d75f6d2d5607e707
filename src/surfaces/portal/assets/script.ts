/** The one script of all pages, which also work without it. It confirms destructive actions, sends a form once, refreshes live parts, copies texts and handles keys. */
export const SCRIPT = `
document.addEventListener('submit', (event) => {
  const question = event.submitter?.dataset.confirm
  if (event.submitter?.formTarget) return
  const isAgain = event.target.dataset.sent === 'yes'
  if (isAgain || (question && !confirm(question))) return event.preventDefault()
  event.target.dataset.sent = 'yes'
  setTimeout(() => delete event.target.dataset.sent, 5000)
})
addEventListener('pageshow', () => {
  for (const form of document.forms) delete form.dataset.sent
})

for (const button of document.querySelectorAll('[data-renews]')) {
  let wait
  const renew = () => button.form.requestSubmit(button)
  button.form.addEventListener('input', () => {
    clearTimeout(wait)
    wait = setTimeout(renew, 700)
  })
  renew()
}

if (document.querySelector('main [data-live]')) {
  const parts = [...document.querySelectorAll('[data-live]')]
  let wait = null
  let renewedAt = 0
  let last
  const renew = async () => {
    wait = null
    if (document.hidden) return
    renewedAt = Date.now()
    const answer = await fetch(location.href, { headers: { accept: 'text/html' } }).catch(() => null)
    if (!answer?.ok) return
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
    for (const part of parts) {
      const isInUse = part.contains(document.activeElement) || part.querySelector('details[open]')
      const fresh = page.getElementById(part.id)
      if (fresh && !isInUse) part.replaceChildren(...fresh.childNodes)
    }
  }
  const soon = () => {
    wait ??= setTimeout(renew, Math.max(200, renewedAt + 3000 - Date.now()))
  }
  new EventSource('/portal/live').onmessage = (event) => {
    const [subject] = event.data.split('.')
    if (!parts.some((part) => part.dataset.live.split(' ').includes(subject))) return
    soon()
    clearTimeout(last)
    last = setTimeout(soon, 6000)
  }
  setInterval(soon, 30000)
  document.addEventListener('visibilitychange', soon)
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
