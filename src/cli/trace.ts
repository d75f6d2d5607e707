import { connect } from './client.ts'
import { show } from './output.ts'
import { example, part, type Root } from './root.ts'

export function trace(root: Root) {
  root
    .command('trace')
    .description('Show the whole trace of a send: the decision with its reasons, and the delivery attempts')
    .argument('<REQUEST_ID>', 'requestId of the send')
    .addHelpText('after', example('molted trace req_abc123'))
    .action(async (id, _, command) => {
      const { get } = await connect(command)
      show(command, await get(`/v1/ops/trace/${part(id)}`))
    })
}
