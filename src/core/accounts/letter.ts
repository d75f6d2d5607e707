/** A letter of the service to a person. Accounts write it; notices send it. */
export type Letter = { to: string; subject: string; text: string }
