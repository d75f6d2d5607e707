/** What ends the program early: a message for stderr, a hint that says what to do, and the exit code. */
export class Failure extends Error {
  exitCode: 1 | 2
  hint: string | null

  constructor(exitCode: 1 | 2, message: string, hint: string | null = null) {
    super(message)
    this.exitCode = exitCode
    this.hint = hint
  }
}

/** The command line does not say what to do. */
export function misuse(message: string, hint: string | null = null): Failure {
  return new Failure(2, message, hint)
}
