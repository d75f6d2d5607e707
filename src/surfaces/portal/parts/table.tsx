/** Restates an element's ARIA role, which browsers drop when a stylesheet displays the element as a block. */
const as = (role: string) => ({ role })

/** A table that becomes a list of cards on a narrow screen, where each cell shows its column's heading. */
export function Table({ caption, head, rows }: { caption: string; head: string[]; rows: unknown[][] }) {
  return (
    <table {...as('table')}>
      <caption class="visually-hidden">{caption}</caption>
      <thead {...as('rowgroup')}>
        <tr {...as('row')}>
          {head.map((name) => (
            <th scope="col" {...as('columnheader')}>
              {name === '' ? <span class="visually-hidden">Actions</span> : name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody {...as('rowgroup')}>
        {rows.map((cells) => (
          <tr {...as('row')}>
            {cells.map((cell, position) => (
              <td {...as('cell')} data-label={head[position]}>
                <div {...(isLong(cell) ? { class: 'long' } : {})}>{cell}</div>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** Whether a cell's text has a word so long that it may have to be broken. */
const isLong = (cell: unknown) => typeof cell === 'string' && /\S{20}/.test(cell)

/** Names with their values. A value that is null, undefined or empty is left out with its name. */
export function Facts({ facts }: { facts: [name: string, value: unknown][] }) {
  return (
    <dl class="facts">
      {facts
        .filter(([, value]) => value !== null && value !== undefined && value !== '')
        .map(([name, value]) => (
          <>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </>
        ))}
    </dl>
  )
}
