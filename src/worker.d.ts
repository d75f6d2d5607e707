import type { Env as MoltpostEnv } from './env.ts'

declare global {
  namespace Cloudflare {
    interface Env extends MoltpostEnv {}
    interface GlobalProps {
      mainModule: typeof import('./index.ts')
    }
  }
}
