import type { Attack, Guard } from './attack.ts'

export const attacks: Attack[] = [
  {
    line: 'A1',
    does: "An agent's key raises the limits of its mailbox.",
    async run(world) {
      const { patch, owner, mailboxId } = await world.newTenant()
      const path = `/v1/agent/mailboxes/${mailboxId}`
      await owner.patch(path, { hourlyLimit: 5 })
      await patch(path, { hourlyLimit: 500 })
      const { body } = await owner.get(path)
      return body.config.hourlyLimit === 5 ? null : `the hourly limit is ${body.config.hourlyLimit}`
    },
  },
]

export const guards: Guard[] = []
