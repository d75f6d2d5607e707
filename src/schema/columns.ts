import { integer } from 'drizzle-orm/sqlite-core'

/** A moment, stored as milliseconds since 1970. */
export const time = () => integer({ mode: 'timestamp_ms' })

/** A boolean, stored as 0 or 1. */
export const flag = () => integer({ mode: 'boolean' })
