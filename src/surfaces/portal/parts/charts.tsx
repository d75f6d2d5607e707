import type { Day } from '../../../core/overview/overview.ts'
import { Table } from './table.tsx'

const SERIES = [
  ['sent', 'Sent'],
  ['held', 'Held'],
  ['blocked', 'Blocked'],
  ['failed', 'Failed'],
] as const

const WIDE = 700
const HIGH = 200
const LEFT = 52
const BOTTOM = 28

/** The outcomes of sends, day by day, as stacked bars; a table below has the same numbers. */
export function DaysChart({ days }: { days: Day[] }) {
  const sum = (day: Day) => SERIES.reduce((total, [name]) => total + day[name], 0)
  const top = niceTop(Math.max(...days.map(sum), 1))
  const step = (WIDE - LEFT) / days.length
  const scale = (HIGH - BOTTOM - 14) / top
  return (
    <figure>
      <figcaption>The last {days.length} days</figcaption>
      <svg class="chart days" viewBox={`0 0 ${WIDE} ${HIGH}`} role="img" aria-label={summaryOf(days)}>
        {[0, top / 2, top].map((value) => {
          const y = HIGH - BOTTOM - value * scale
          return (
            <>
              <line class="grid" x1={LEFT} x2={WIDE} y1={y} y2={y} />
              <text x={LEFT - 6} y={y + 4} text-anchor="end">
                {inShort(value)}
              </text>
            </>
          )
        })}
        {days.map((day, position) => (
          <DayBar
            day={day}
            x={LEFT + position * step}
            width={step}
            scale={scale}
            isLabelled={position % Math.ceil(days.length / 5) === 0}
          />
        ))}
      </svg>
      <ul class="legend">
        {SERIES.map(([name, label]) => (
          <li>
            <i class={name} />
            {label}
          </li>
        ))}
      </ul>
      <details>
        <summary>The same as a table</summary>
        <Table
          caption="Sends by day"
          head={['Day', ...SERIES.map(([, label]) => label)]}
          rows={days.toReversed().map((day) => [day.day, ...SERIES.map(([name]) => day[name])])}
        />
      </details>
    </figure>
  )
}

/** One day as stacked bars, in a column that begins at `x`; `scale` is the height of one send. */
function DayBar({
  day,
  x,
  width,
  scale,
  isLabelled,
}: {
  day: Day
  x: number
  width: number
  scale: number
  isLabelled: boolean
}) {
  let y = HIGH - BOTTOM
  return (
    <g>
      <title>{`${day.day}: ${SERIES.map(([name, label]) => `${day[name]} ${label.toLowerCase()}`).join(', ')}`}</title>
      {SERIES.map(([name]) => {
        const height = day[name] * scale
        y -= height
        return height > 0 ? (
          <rect class={name} x={x + width * 0.15} y={y} width={width * 0.7} height={height} />
        ) : null
      })}
      {isLabelled ? (
        <text x={x + width * 0.5} y={HIGH - 6} text-anchor="middle">
          {day.day.slice(5)}
        </text>
      ) : null}
    </g>
  )
}

/** A count for each of a few names, as bars with the name and the number beside them. */
export function BarsChart({ title, bars }: { title: string; bars: { name: string; count: number }[] }) {
  const most = Math.max(...bars.map(({ count }) => count), 1)
  const high = 26
  return (
    <figure>
      <figcaption>{title}</figcaption>
      <svg
        class="chart"
        viewBox={`0 0 340 ${bars.length * high}`}
        role="img"
        aria-label={bars.map(({ name, count }) => `${name}: ${count}`).join('; ')}
      >
        {bars.map(({ name, count }, position) => (
          <g>
            <text x="0" y={position * high + 11}>
              {name}
            </text>
            <text x="340" y={position * high + 11} text-anchor="end">
              {count}
            </text>
            <rect
              class="blocked"
              x="0"
              y={position * high + 15}
              width={Math.max((count / most) * 340, 2)}
              height="6"
            />
          </g>
        ))}
      </svg>
    </figure>
  )
}

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000

/** When an agent was alive in the last 24 hours, as bars on a line. A bar ends `goesOnForMs` after its last heartbeat. */
export function SpellsChart({
  spells,
  now,
  goesOnForMs,
}: {
  spells: { beganAt: Date; lastAt: Date }[]
  now: Date
  goesOnForMs: number
}) {
  const from = now.getTime() - DAY_MS
  const xOf = (at: number) => ((Math.max(at, from) - from) / DAY_MS) * WIDE
  const bars = spells
    .map(({ beganAt, lastAt }) => ({
      begin: Math.max(beganAt.getTime(), from),
      end: Math.min(lastAt.getTime() + goesOnForMs, now.getTime()),
    }))
    .filter(({ begin, end }) => end > begin)
  const hours = bars.reduce((sum, { begin, end }) => sum + end - begin, 0) / HOUR_MS
  return (
    <figure>
      <figcaption>The last 24 hours, in UTC</figcaption>
      <svg
        class="chart days"
        viewBox={`0 0 ${WIDE} 44`}
        role="img"
        aria-label={`Alive for ${hours.toFixed(1)} of the last 24 hours.`}
      >
        <rect class="silent" x="0" y="4" width={WIDE} height="16" rx="3" />
        {bars.map(({ begin, end }) => (
          <rect
            class="sent"
            x={xOf(begin)}
            y="4"
            width={Math.max(xOf(end) - xOf(begin), 2)}
            height="16"
            rx="2"
          />
        ))}
        {[0, 6, 12, 18, 24].map((hour) => (
          <text
            x={(hour / 24) * WIDE}
            y="38"
            text-anchor={hour === 0 ? 'start' : hour === 24 ? 'end' : 'middle'}
          >
            {hour === 24 ? 'now' : new Date(from + hour * HOUR_MS).toISOString().slice(11, 16)}
          </text>
        ))}
      </svg>
    </figure>
  )
}

function summaryOf(days: Day[]): string {
  const total = (name: (typeof SERIES)[number][0]) => days.reduce((sum, day) => sum + day[name], 0)
  return `Sends of the last ${days.length} days: ${SERIES.map(([name, label]) => `${total(name)} ${label.toLowerCase()}`).join(', ')}.`
}

/** The next round number whose half is a whole number. */
function niceTop(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 4, 6, 8, 10].map((step) => step * power).find((step) => step >= value && step >= 2) ?? 2
}

const inShort = (value: number) => (value >= 1_000 ? `${value / 1_000}k` : String(value))
