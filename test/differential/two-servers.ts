/** One request to a real kube-apiserver and to a Portico under test, and where their answers differ. */
import { join } from 'node:path'
import { readKubeconfig } from '../../src/client/kubeconfig.ts'
import { CoreTables } from '../../src/servers/core/tables.ts'
import { type Answered, differencesOf } from '../harness/answers.ts'
import { type HttpClient, httpClient } from '../harness/http-client.ts'
import { learn, type RecordedRequest, send } from '../harness/recorded.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'

/** A reason to skip. */
export function referenceMissing(): string | false {
  return process.env['REFERENCE']
    ? false
    : 'REFERENCE names no folder with the admin.kubeconfig of a running kube-apiserver 1.35'
}

export class TwoServers implements AsyncDisposable {
  readonly original: HttpClient
  readonly portico: TestServer
  readonly #types = new CoreTables()
  /** What the original made up -> what Portico made up in its place. */
  readonly #learnt = new Map<string, string>()

  private constructor(original: HttpClient, portico: TestServer) {
    this.original = original
    this.portico = portico
  }
  static async start(): Promise<TwoServers> {
    const access = readKubeconfig(join(process.env['REFERENCE']!, 'admin.kubeconfig'))
    const { ca, cert, key } = { ca: access.ca, ...access.clientCertificate }
    const original = httpClient(access.server, {
      ...(ca ? { ca } : {}),
      ...(cert ? { cert } : {}),
      ...(key ? { key } : {}),
    })
    return new TwoServers(original, await startTestServer())
  }

  /** @returns the original's answer, and where Portico's is another. */
  async ask(request: RecordedRequest): Promise<{ answer: Answered; differences: readonly string[] }> {
    const asked = { request, response: { status: 0, headers: {} } }
    const answer = await send({ client: () => this.original }, asked, new Map())
    const given = await send({ client: () => this.portico.admin }, asked, this.#learnt)
    const differences = differencesOf({ types: this.#types, managers: true }, answer, given)
    learn(answer, given, this.#learnt)
    return { answer, differences }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.original.close()
    await this.portico.stop()
  }
}
