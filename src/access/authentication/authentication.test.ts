import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import type { Connection, Exchange, HeaderView, VerifiedCertificate } from '../../http/exchange.ts'
import { makeCA } from '../../http/certificates.ts'
import { RequestContext } from '../../http/request-context.ts'
import { FakeClock } from '../../lib/fake-clock.ts'
import type { Authenticator, AuthnResult } from './authenticator.ts'
import { bearerTokenAuthenticator, webSocketTokenAuthenticator } from './bearer-token.ts'
import { requestHeaderAuthenticator } from './request-header.ts'
import { parseTokenFile, tokenFileAuthenticator } from './token-file.ts'
import { anonymousAuthenticator, otherwise, unionAuthenticator, withAuthenticatedGroup } from './union.ts'
import { x509Authenticator } from './x509.ts'

const { cert } = makeCA({ commonName: 'any', notBeforeMs: 0, notAfterMs: Date.UTC(2040, 0, 1) })
function certificate(
  commonName: string,
  chainsTo: { clientCA: boolean; frontProxyCA: boolean },
  organizations: string[] = [],
): VerifiedCertificate {
  return { certificate: new X509Certificate(cert), commonName, organizations, sha256: 'ab', chainsTo }
}
const CLIENT = { clientCA: true, frontProxyCA: false }
const PROXY = { clientCA: false, frontProxyCA: true }

function viewOf(raw: readonly string[]): HeaderView {
  const all = (name: string): string[] => raw.filter((_, i) => i % 2 === 1 && raw[i - 1]!.toLowerCase() === name)
  return { raw, get: (name) => all(name)[0], all, has: (name) => all(name).length > 0 }
}
function request(
  headers: readonly string[],
  clientCertificate?: VerifiedCertificate | 'bad',
  upgrade?: string,
): RequestContext {
  const certificates =
    clientCertificate === 'bad' ? { hasBadCertificate: true } : { clientCertificate, hasBadCertificate: false }
  const connection = { ...certificates, protocol: 'http/1.1' } as Connection
  const exchange = { method: 'GET', target: '/', headers: viewOf(headers), connection, upgrade } as Exchange
  return new RequestContext(exchange, new FakeClock())
}
async function nameOf(a: Authenticator, ctx: RequestContext): Promise<string> {
  const r: AuthnResult = await a.authenticate(ctx)
  return r.kind === 'authenticated' ? `${r.user.name} ${r.user.groups.join(',')}`.trim() : r.kind
}

const headers = requestHeaderAuthenticator({
  usernameHeaders: ['x-remote-user'],
  uidHeaders: ['x-remote-uid'],
  groupHeaders: ['x-remote-group'],
  extraHeaderPrefixes: ['x-remote-extra-'],
  allowedNames: ['proxy'],
})
const file = tokenFileAuthenticator(parseTokenFile('secret,jane,1,"a,b"\nother,joe,2\n,nobody,3\n'))
const tokens = [bearerTokenAuthenticator(file), webSocketTokenAuthenticator(file)]
const all = otherwise(
  withAuthenticatedGroup(unionAuthenticator([headers, x509Authenticator(), ...tokens])),
  anonymousAuthenticator(),
)

/** Source: what kube-apiserver 1.35.4 answers. */
function* webSocketRows(): Generator<{ name: string; ctx: RequestContext; want: string }> {
  const protocol = (token: string, encoded = Buffer.from(token).toString('base64url')): string =>
    `base64url.bearer.authorization.k8s.io.${encoded}`
  const ANONYMOUS = 'system:anonymous system:unauthenticated'
  const JANE = 'jane a,b,system:authenticated'
  const cases: readonly (readonly [name: string, protocols: string, want: string, more?: readonly string[]])[] = [
    ['a token', `v4.channel.k8s.io, ${protocol('secret')}`, JANE],
    ['a token alone', protocol('secret'), 'rejected'],
    ['a token twice', `${protocol('secret')}, ${protocol('secret')}, v4`, 'rejected'],
    ['a padded token', `${protocol('', 'c2VjcmV0Cg==')}, v4`, 'rejected'],
    ['a token in no base64', `${protocol('', '!!')}, v4`, 'rejected'],
    ['a token cut short', `${protocol('', 'c2VjcmV0a')}, v4`, 'rejected'],
    ['a token of bytes that are no text', `${protocol('', '_w')}, v4`, 'rejected'],
    ['an unknown token', `${protocol('wrong')}, v4`, 'rejected'],
    ['an empty token', `${protocol('')}, v4`, ANONYMOUS],
    ['other sub-protocols only', 'v4', ANONYMOUS],
    ['a good token beside a bad header', `${protocol('secret')}, v4`, JANE, ['Authorization', 'Bearer wrong']],
    ['a bad token beside a good header', `${protocol('wrong')}, v4`, JANE, ['Authorization', 'Bearer secret']],
    ['a bad token beside a bad header', `${protocol('wrong')}, v4`, 'rejected', ['Authorization', 'Bearer wrong']],
  ]
  for (const [name, protocols, want, more = []] of cases)
    yield {
      name: `WebSocket: ${name}`,
      ctx: request(['Sec-WebSocket-Protocol', protocols, ...more], undefined, 'websocket'),
      want,
    }
  yield {
    name: 'a token as sub-protocol of what is no WebSocket',
    ctx: request(['Sec-WebSocket-Protocol', protocol('secret')]),
    want: ANONYMOUS,
  }
}

const rows: readonly { name: string; ctx: RequestContext; want: string }[] = [
  { name: 'nothing shown: anonymous', ctx: request([]), want: 'system:anonymous system:unauthenticated' },
  {
    name: 'a client certificate',
    ctx: request([], certificate('jane', CLIENT, ['dev'])),
    want: 'jane dev,system:authenticated',
  },
  {
    name: 'a certificate without a name says nothing',
    ctx: request([], certificate('', CLIENT)),
    want: 'system:anonymous system:unauthenticated',
  },
  {
    name: 'a front proxy that speaks for nobody',
    ctx: request([], certificate('proxy', PROXY)),
    want: 'rejected',
  },
  { name: 'a certificate that cannot be verified', ctx: request([], 'bad'), want: 'rejected' },
  {
    name: 'a good token beside a bad certificate',
    ctx: request(['Authorization', 'Bearer secret'], 'bad'),
    want: 'jane a,b,system:authenticated',
  },
  {
    name: 'a good certificate beside a bad token',
    ctx: request(['Authorization', 'Bearer wrong'], certificate('jane', CLIENT)),
    want: 'jane system:authenticated',
  },
  {
    name: 'a front proxy speaks for others',
    ctx: request(['X-Remote-User', 'joe', 'x-remote-group', 'a', 'X-REMOTE-GROUP', 'b'], certificate('proxy', PROXY)),
    want: 'joe a,b,system:authenticated',
  },
  {
    name: 'not so one with another name',
    ctx: request(['X-Remote-User', 'joe'], certificate('other', PROXY)),
    want: 'rejected',
  },
  {
    name: 'identity headers without a front proxy are nothing',
    ctx: request(['X-Remote-User', 'joe']),
    want: 'system:anonymous system:unauthenticated',
  },
  {
    name: 'a client is no front proxy',
    ctx: request(['X-Remote-User', 'root'], certificate('jane', CLIENT)),
    want: 'jane system:authenticated',
  },
  { name: 'a known token', ctx: request(['Authorization', 'Bearer secret']), want: 'jane a,b,system:authenticated' },
  { name: 'the scheme in any case', ctx: request(['Authorization', 'bearer other']), want: 'joe system:authenticated' },
  { name: 'an unknown token is never anonymous', ctx: request(['Authorization', 'Bearer wrong']), want: 'rejected' },
  {
    name: 'two spaces: ignored',
    ctx: request(['Authorization', 'Bearer  secret']),
    want: 'system:anonymous system:unauthenticated',
  },
  {
    name: 'another scheme says nothing',
    ctx: request(['Authorization', 'Basic c2VjcmV0']),
    want: 'system:anonymous system:unauthenticated',
  },
  ...webSocketRows(),
]
for (const { name, ctx, want } of rows) {
  test(`authentication: ${name}`, async () => {
    assert.equal(await nameOf(all, ctx), want)
  })
}

test('authentication: a token behind two spaces is ignored, and the answer warns of it', async () => {
  const ctx = request(['Authorization', 'Bearer  secret'])
  await all.authenticate(ctx)
  assert.deepEqual(ctx.warnings, [
    'the provided Authorization header contains extra space before the bearer token, and is ignored',
  ])
})

test('request headers: uid and extras, with percent-encoded keys', async () => {
  const raw = [
    'x-remote-user',
    'joe',
    'x-remote-uid',
    '7',
    'X-Remote-Extra-Example.com%2fScopes',
    'a',
    'x-remote-extra-example.com%2Fscopes',
    'b',
  ]
  const result = await headers.authenticate(request(raw, certificate('proxy', PROXY)))
  assert.ok(result.kind === 'authenticated')
  assert.deepEqual([result.user.uid, [...result.user.extra!]], ['7', [['example.com/scopes', ['a', 'b']]]])
})

test('parseTokenFile: a row with fewer than three columns is an error that names its line', () => {
  assert.throws(() => parseTokenFile('a,b,c\nd,e\n'), /^SyntaxError: line 2: /)
})
