/** Ends the program with a message on stderr, a hint that says what to do, and an exit code. */
export class Failure extends Error {
  exitCode: 1 | 2
  hint: string | null

  constructor(exitCode: 1 | 2, message: string, hint: string | null = null) {
    super(message)
    this.exitCode = exitCode
    this.hint = hint
  }
}

/** The command line is wrong: exit code 2. */
export function misuse(message: string, hint: string | null = null): Failure {
  return new Failure(2, message, hint)
}
