/** One value with its labels. */
export type Sample = { labels?: Record<string, string>; value: number }

/** All samples of one metric. A counter only grows; a gauge goes up and down. */
export type Family = { name: string; type: 'counter' | 'gauge'; help: string; samples: Sample[] }

/** The families in the text format of Prometheus, version 0.0.4. */
export function metricsText(families: Family[]): string {
  return families
    .map(({ name, type, help, samples }) => {
      const lines = samples.map(({ labels = {}, value }) => {
        const named = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`)
        return `${name}${named.length > 0 ? `{${named.join(',')}}` : ''} ${value}\n`
      })
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
    })
    .join('')
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
