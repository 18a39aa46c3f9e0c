/** What a server counts; asked in this process, so that one which stops can be asked too. */
import type { TestServer } from './server.ts'

export interface Series {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** All series of one name; of a histogram, `<name>_sum`, `<name>_count` and `<name>_bucket` are the names. */
export async function seriesOf(portico: TestServer, name: string): Promise<readonly Series[]> {
  let text = ''
  for await (const part of portico.server.metrics.render()) text += part
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .map((line) => ({
      labels: Object.fromEntries([...line.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, value]) => [label!, value!])),
      value: Number(line.slice(line.lastIndexOf(' ') + 1)),
    }))
}
/** The sum over all series that have these labels; 0 where there is none. */
export async function valueOf(portico: TestServer, name: string, labels: Record<string, string> = {}): Promise<number> {
  const series = await seriesOf(portico, name)
  const wanted = Object.entries(labels)
  return series
    .filter((s) => wanted.every(([label, value]) => s.labels[label] === value))
    .reduce((sum, s) => sum + s.value, 0)
}
