/** A person or mailbox as a header names it: an address, and the display name if there is one. */
export type Party = { email: string; name: string | null }
