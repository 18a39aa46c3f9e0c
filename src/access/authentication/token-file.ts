/** --token-auth-file: CSV lines `token,user,uid[,"group1,group2"]`, read once at start. */
import { hash } from 'node:crypto'
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

/** Tokens are kept and looked up as digests: how long a look-up takes tells nothing of a token. */
export function tokenFileAuthenticator(users: ReadonlyMap<string, UserInfo>): TokenAuthenticator {
  const byDigest = new Map(
    [...users].map(([token, user]) => [digest(token), { kind: 'authenticated', user } satisfies AuthnResult]),
  )
  return { authenticateToken: (token) => byDigest.get(digest(token)) ?? NO_OPINION }
}

const digest = (token: string): string => hash('sha256', token, 'base64url')

function parseCsvRow(line: string): string[] {
  const cells: string[] = []
  const cell = /\s*(?:"((?:[^"]|"")*)"|([^,]*))\s*(?:,|$)/gy
  while (cell.lastIndex < line.length) {
    const m = cell.exec(line)! // what is quoted badly is a cell without quotes
    cells.push((m[1]?.replaceAll('""', '"') ?? m[2] ?? '').trim())
  }
  return cells
}
