/** --token-auth-file: CSV lines `token,user,uid[,"group1,group2"]`, read once at start. */
import type { UserInfo } from '../../api/meta.ts'
import { type AuthnResult, type TokenAuthenticator, NO_OPINION } from './authenticator.ts'

/** @throws SyntaxError naming the line of a row with fewer than three columns. */
export function parseTokenFile(text: string): Map<string, UserInfo> {
  const users = new Map<string, UserInfo>()
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const [token, name, uid, groups] = parseCsvRow(line)
    if (token === undefined || name === undefined || uid === undefined) {
      throw new SyntaxError(`line ${index + 1}: token file must have at least 3 columns (token, user name, user uid)`)
    }
    if (token === '') continue
    users.set(token, { name, uid, groups: groups ? groups.split(',').map((g) => g.trim()) : [] })
  }
  return users
}

/**
 * How long a look-up takes tells nothing of a token: a Map compares strings of the same hash only, and the hashes of
 * each process have a seed of their own.
 */
export function tokenFileAuthenticator(users: ReadonlyMap<string, UserInfo>): TokenAuthenticator {
  const results = new Map<string, AuthnResult>()
  for (const [token, user] of users) results.set(token, { kind: 'authenticated', user })
  return { authenticateToken: (token) => results.get(token) ?? NO_OPINION }
}

function parseCsvRow(line: string): string[] {
  const cells: string[] = []
  const cell = /\s*(?:"((?:[^"]|"")*)"|([^,]*))\s*(?:,|$)/gy
  while (cell.lastIndex < line.length) {
    const m = cell.exec(line)! // what is quoted badly is a cell without quotes
    cells.push((m[1]?.replaceAll('""', '"') ?? m[2] ?? '').trim())
  }
  return cells
}
