/** The Accept header, read as Kubernetes reads it: clauses by q, then the less wild first. */
export interface AcceptClause {
  readonly type: string
  readonly params: ReadonlyMap<string, string>
}

/** Malformed clauses are passed over; an empty header gives no clauses. Types and parameter names are lower case. */
export function parseAccept(header: string): AcceptClause[] {
  const clauses: (AcceptClause & { q: number; order: number })[] = []
  for (const text of header.split(',')) {
    const [type, ...rest] = text.split(';').map((s) => s.trim())
    if (!type || !/^[^/\s]+\/[^/\s]+$/.test(type)) continue
    const params = new Map<string, string>()
    for (const param of rest) {
      const eq = param.indexOf('=')
      if (eq > 0) params.set(param.slice(0, eq).trim().toLowerCase(), unquote(param.slice(eq + 1).trim()))
    }
    const q = Number(params.get('q') ?? '1')
    params.delete('q')
    if (q > 0) clauses.push({ type: type.toLowerCase(), params, q, order: clauses.length })
  }
  return clauses.sort((a, b) => b.q - a.q || wildness(a.type) - wildness(b.type) || a.order - b.order)
}

const unquote = (v: string): string => (v.startsWith('"') && v.endsWith('"') && v.length > 1 ? v.slice(1, -1) : v)
const wildness = (type: string): number => (type === '*/*' ? 2 : type.endsWith('/*') ? 1 : 0)

/** Whether a clause's type takes this media type. */
export function accepts(clauseType: string, mediaType: string): boolean {
  if (clauseType === mediaType || clauseType === '*/*') return true
  return clauseType.endsWith('/*') && mediaType.startsWith(clauseType.slice(0, -1))
}
