/** Told by --version and to the server; the same as in package.json. */
export const VERSION = '0.1.0'
