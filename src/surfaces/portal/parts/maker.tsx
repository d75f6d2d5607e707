import { listOwners } from '../../../core/accounts/people.ts'
import type { PortalContext } from '../context.ts'
import { Id } from './text.tsx'

/** Shows who made a credential: a person by their address, a key by its id. */
export async function makers(c: PortalContext) {
  const people = new Map((await listOwners(c.var.ctx)).map(({ id, email }) => [id, email]))
  return (createdBy: string) => {
    const [kind, id = ''] = createdBy.split(':')
    if (kind === 'human') return people.get(id) ?? 'a former person'
    return kind === 'key' ? <Id>{id}</Id> : id
  }
}
