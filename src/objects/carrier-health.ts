import { DurableObject } from 'cloudflare:workers'
import { type Circuit, CLOSED, type Health, healthOf, permit, report } from '../core/policy/circuit.ts'

/** One object per carrier: its circuit, kept in memory. Forgetting it costs a few attempts, never a message. */
export class CarrierHealth extends DurableObject {
  private circuit: Circuit = CLOSED

  /** Whether a send may go to the carrier now. A half-open circuit lets one probe through. */
  permit(now: number): boolean {
    const answer = permit(this.circuit, now)
    this.circuit = answer.circuit
    return answer.allowed
  }

  /** How the carrier has done of late, for whoever watches. */
  health(now: number): Health {
    return healthOf(this.circuit, now)
  }

  /** Counts one outcome. A recipient that was refused is no ill health and must not be reported as such. */
  report(ok: boolean, now: number): void {
    this.circuit = report(this.circuit, ok, now)
  }
}
