declare global {
  interface ImportMeta {
    glob(pattern: string): Record<string, () => Promise<Record<string, unknown>>>
  }
}

type Surface = { routes: { method: string; path: string }[] }

/** Where the Worker mounts each surface, by folder. A surface that is missing here is reported as undocumented. */
const MOUNTED: Record<string, string> = {
  moltbotden: '',
  molted: '/v1',
  mailmolt: '/v1',
  dev: '/dev',
  unsubscribe: '/u',
  claim: '',
  operator: '/admin',
  portal: '/portal',
}

/** Whether a path stands for a whole area: it ends in `*` or is only one word. With the method ALL it is then no route. */
const isWholeArea = (path: string) => path.endsWith('*') || /^\/[a-z]*$/.test(path)

/** The routes of all surfaces that are not in `documented`. */
export async function undocumentedRoutes(documented: string[]): Promise<string[]> {
  const surfaces = import.meta.glob('../../src/surfaces/*/index.ts*')
  const real = await Promise.all(
    Object.entries(surfaces).map(async ([file, load]) => {
      const folder = file.split('/').at(-2) ?? ''
      const at = MOUNTED[folder] ?? `surface ${folder}, missing in MOUNTED: `
      const found = Object.values(await load()).filter((each): each is Surface =>
        Array.isArray((each as Surface)?.routes),
      )
      return found.flatMap(({ routes }) =>
        routes
          .filter(({ method, path }) => method !== 'ALL' || !isWholeArea(path))
          .map(({ method, path }) => `${method} ${at}${path.replace(/:([A-Za-z_]+)/g, '{$1}')}`),
      )
    }),
  )
  // The portal is for people: its routes have a matrix of their own, test/contract/portal/matrix.test.ts.
  const isForPeople = (route: string) => /^[A-Z]+ \/portal(?:\/|$)/.test(route)
  return [...new Set(real.flat())].filter((route) => !documented.includes(route) && !isForPeople(route))
}

/** The routes of the portal, by method and by path below /portal. */
export async function portalRoutes(): Promise<{ method: string; path: string }[]> {
  const [load] = Object.values(import.meta.glob('../../src/surfaces/portal/index.tsx'))
  const { portal } = ((await load?.()) ?? {}) as { portal?: Surface }
  const all = (portal?.routes ?? []).filter(({ method }) => method !== 'ALL')
  return [...new Map(all.map(({ method, path }) => [`${method} ${path}`, { method, path }])).values()]
}
