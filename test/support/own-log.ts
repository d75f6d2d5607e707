// A line of the Worker's own log for each request and each job says nothing of a test, and its way to the terminal is long.
// biome-ignore-start lint/suspicious/noConsole: it is the console that is to say less
const print = console.log
if (print.name !== 'printUnlessOwn') {
  console.log = function printUnlessOwn(...words: unknown[]) {
    if (!/^\{"time":.*"level":"info"/.test(String(words[0]))) print(...words)
  }
}
// biome-ignore-end lint/suspicious/noConsole: it is the console that is to say less
