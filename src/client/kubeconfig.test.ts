import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readKubeconfig } from './kubeconfig.ts'

const folder = mkdtempSync(join(tmpdir(), 'portico-kubeconfig-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const file = join(folder, 'config')
writeFileSync(join(folder, 'token'), ' from-file\n')
writeFileSync(join(folder, 'ca.pem'), 'CA')
const base64 = (text: string): string => Buffer.from(text).toString('base64')

function config(o: { cluster?: object; user?: object; rest?: object }): string {
  return JSON.stringify({
    clusters: [{ name: 'c', cluster: { server: 'https://host:6443/', ...o.cluster } }],
    users: [
      { name: 'other', user: { token: 'wrong' } },
      { name: 'u', user: o.user ?? {} },
    ],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
    ...o.rest,
  })
}

const rows: readonly { name: string; text: string; want: object }[] = [
  {
    name: 'inline certificates',
    text: config({
      cluster: { 'certificate-authority-data': base64('CA'), 'tls-server-name': 'kubernetes' },
      user: { 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') },
    }),
    want: {
      server: 'https://host:6443',
      ca: 'CA',
      serverName: 'kubernetes',
      clientCertificate: { cert: 'CERT', key: 'KEY' },
      authorization: undefined,
    },
  },
  {
    name: 'files beside it, and a token file before a token',
    text: config({ cluster: { 'certificate-authority': 'ca.pem' }, user: { tokenFile: 'token', token: 'inline' } }),
    want: {
      ca: 'CA',
      authorization: 'Bearer from-file',
      files: [file, join(folder, 'ca.pem'), join(folder, 'token')],
    },
  },
  {
    name: 'user and password',
    text: config({ user: { username: 'a', password: 'b' } }),
    want: { authorization: `Basic ${base64('a:b')}` },
  },
  {
    name: 'a webhook without a context',
    text: JSON.stringify({ clusters: [{ name: 'c', cluster: { server: 'http://127.0.0.1:1/review' } }] }),
    want: { server: 'http://127.0.0.1:1/review', authorization: undefined, insecureSkipVerify: false },
  },
]
for (const { name, text, want } of rows) {
  test(`readKubeconfig: ${name}`, () => {
    writeFileSync(file, text)
    const read: object = readKubeconfig(file)
    assert.deepEqual({ ...read, ...want }, read)
  })
}

const refused: readonly { name: string; text: string; says: RegExp }[] = [
  { name: 'a text', text: 'hello', says: /is no kubeconfig$/ },
  { name: 'no cluster', text: '{}', says: /names no cluster/ },
  { name: 'another context', text: config({ rest: { 'current-context': 'y' } }), says: /no context "y"$/ },
  { name: 'no URL', text: config({ cluster: { server: 'host:6443' } }), says: /server: "host:6443" is no http/ },
  {
    name: 'a program',
    text: config({ user: { exec: { command: 'sh' } } }),
    says: /exec: programs are not run for credentials$/,
  },
  { name: 'a key alone', text: config({ user: { 'client-key-data': base64('K') } }), says: /needed together$/ },
  { name: 'a file that is not there', text: config({ user: { tokenFile: 'gone' } }), says: /tokenFile: ENOENT/ },
]
for (const { name, text, says } of refused) {
  test(`readKubeconfig refuses ${name}`, () => {
    writeFileSync(file, text)
    assert.throws(() => readKubeconfig(file), says)
  })
}
