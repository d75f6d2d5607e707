import type { Attack, Guard } from './attack.ts'

export const attacks: Attack[] = []

export const guards: Guard[] = []
