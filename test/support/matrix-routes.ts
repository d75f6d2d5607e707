import { dev } from '../../src/surfaces/dev/index.tsx'
import { mailmolt } from '../../src/surfaces/mailmolt/index.ts'
import { molted } from '../../src/surfaces/molted/index.ts'

/** Where the Worker mounts each surface. */
const MOUNTED = [
  { at: '/v1', surface: molted },
  { at: '/v1', surface: mailmolt },
  { at: '/dev', surface: dev },
]

/**
 * The routes that the surfaces answer and that are not among `documented`. What is registered for every method is a
 * middleware or an end of a surface, and ends in an area's name or `/*`.
 */
export function undocumentedRoutes(documented: string[]): string[] {
  const real = MOUNTED.flatMap(({ at, surface }) =>
    surface.routes.map(({ method, path }) => {
      const full = `${at}${path}`.replace(/\/:([A-Za-z]+)/g, '/{$1}')
      return method === 'ALL' && (path.endsWith('/*') || /^\/[a-z]*$/.test(path)) ? null : `${method} ${full}`
    }),
  )
  return [...new Set(real)].filter((route) => route !== null && !documented.includes(route)) as string[]
}
