import { createHash } from 'node:crypto'
import type { PortalContext } from '../context.ts'
import { SCRIPT } from './script.ts'
import { STYLE } from './style.ts'

const named = (name: string, kind: string, content: string) => {
  const hash = createHash('sha256').update(content).digest('hex').slice(0, 16)
  return { path: `/assets/${name}-${hash}.${kind}`, content }
}

const style = { ...named('style', 'css', STYLE), type: 'text/css; charset=utf-8' }
const script = { ...named('script', 'js', SCRIPT), type: 'text/javascript; charset=utf-8' }

/** The URLs of style and script. Each name holds a hash of its content, so that browsers may cache it for ever. */
export const STYLE_URL = `/portal${style.path}`
export const SCRIPT_URL = `/portal${script.path}`

export const ASSETS = [style, script]

export function serveAsset(c: PortalContext, { content, type }: (typeof ASSETS)[number]) {
  c.header('Cache-Control', 'public, max-age=31536000, immutable')
  return c.body(content, 200, { 'content-type': type })
}
