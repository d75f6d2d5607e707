import { DurableObject } from 'cloudflare:workers'
import { type Circuit, CLOSED, type Health, healthOf, permit, report } from '../core/policy/circuit.ts'

/** One object per carrier: its circuit, kept in memory. Losing it costs a few attempts, never a message. */
export class CarrierHealth extends DurableObject {
  private circuit: Circuit = CLOSED

  /** Whether a send may go to the carrier now. A half-open circuit permits one attempt as a probe. */
  permit(now: number): boolean {
    const answer = permit(this.circuit, now)
    this.circuit = answer.circuit
    return answer.allowed
  }

  /** The recent health of the carrier, for the metrics. */
  health(now: number): Health {
    return healthOf(this.circuit, now)
  }

  /** Counts one outcome. A refused recipient says nothing about the carrier's health: report it as ok. */
  report(ok: boolean, now: number): void {
    this.circuit = report(this.circuit, ok, now)
  }
}
