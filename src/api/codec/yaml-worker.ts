/** The thread in which yaml-json.ts runs. Started by yaml-thread.ts. */
import { answerOrders } from '../../lib/thread.ts'
import { jsonToYaml, type YamlAsJson, yamlToJson } from './yaml-json.ts'

export type YamlOrder = { readonly yaml: string } | { readonly json: string }

answerOrders((order: YamlOrder): YamlAsJson | string =>
  'yaml' in order ? yamlToJson(order.yaml) : jsonToYaml(order.json),
)
