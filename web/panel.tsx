// The parts of the page around charts: a panel with its heading, a table in the place of its chart, a legend, tabs.

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

/** A part of the page: a heading, a note, a chart or more, and the same as a table. */
export function Panel(props: {
  id: string;
  title: string;
  note?: ComponentChildren;
  table?: () => TableData;
  wide?: boolean;
  tools?: ComponentChildren;
  children: ComponentChildren;
}) {
  const { id, title, note, table, wide, tools, children } = props;
  return (
    <section id={id} class={wide ? 'panel wide' : 'panel'} aria-labelledby={`${id}-title`}>
      <header>
        <h2 id={`${id}-title`}>{title}</h2>
        {tools}
      </header>
      {note && <p class="note">{note}</p>}
      {children}
      {table && <AsTable table={table} />}
    </section>
  );
}

export type TableData = { head: readonly string[]; rows: readonly (readonly (string | number)[])[] };
const MOST_ROWS = 200;

/** What a chart shows, for those who prefer to read it. */
export function AsTable({ table }: { table: () => TableData }) {
  const [shown, setShown] = useState(false);
  const { head, rows } = shown ? table() : { head: [], rows: [] };
  return (
    <details class="alternative" onToggle={(event) => setShown(event.currentTarget.open)}>
      <summary>As a table</summary>
      {shown && (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                {head.map((name) => (
                  <th scope="col">{name}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.slice(0, MOST_ROWS).map((row) => (
                <tr>
                  {row.map((cell) => (
                    <td>{cell}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
          {rows.length > MOST_ROWS && (
            <p class="note">
              The first {MOST_ROWS} of {rows.length} rows.
            </p>
          )}
        </div>
      )}
    </details>
  );
}

/** Marks as in the plot, by their class, each with its meaning; what is absent is left out. */
export function Legend({
  keys,
}: {
  keys: readonly (readonly [mark: string, meaning: string] | false | null)[];
}) {
  return (
    <span class="legend">
      {keys.map((key) => key && <span class={key[0] && `key ${key[0]}`}>{key[1]}</span>)}
    </span>
  );
}

/** A choice of one among a few. */
export function Tabs<T extends string>(props: {
  label: string;
  names: readonly T[];
  chosen: T;
  onChoose: (name: T) => void;
  text?: (name: T) => string;
}) {
  const { label, names, chosen, onChoose, text = String } = props;
  return (
    <fieldset class="tabs" aria-label={label}>
      {names.map((name) => (
        <button key={name} type="button" aria-pressed={name === chosen} onClick={() => onChoose(name)}>
          {text(name)}
        </button>
      ))}
    </fieldset>
  );
}
