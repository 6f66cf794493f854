/** A session that has ended asks for the password here: the page, the picture and what waits on this computer stay. */
import { t } from "../locale/locale";
import { Component } from "preact";
import { csrfToken } from "../sync/api";
import type { Ui } from "./parts";

export class SignIn extends Component<{ ui: Ui }, { busy: boolean; trouble: string }> {
  override state = { busy: false, trouble: "" };

  private async send(form: HTMLFormElement): Promise<void> {
    const { ui } = this.props;
    const { desk } = ui;
    this.setState({ busy: true, trouble: "" });
    try {
      const body = new URLSearchParams(new FormData(form) as unknown as Record<string, string>);
      await fetch("/accounts/sign-in/", {
        method: "POST",
        credentials: "same-origin",
        headers: { "X-CSRFToken": csrfToken(document.cookie) },
        body,
      });
      const opened = await desk.api.workspace(desk.opened.image.id);
      if (opened.person.id !== desk.opened.person.id) {
        // What waits here is somebody's own work; it is not sent under another name.
        location.reload();
        return;
      }
      this.setState({ busy: false });
      void desk.queue.flush();
      void desk.poll();
    } catch {
      this.setState({
        busy: false,
        trouble: t("Not signed in: name and password do not fit, or the server does not answer."),
      });
    }
  }

  override render() {
    const { desk } = this.props.ui;
    if (desk.save.kind !== "signed_out") return null;
    return (
      <form
        class="bw-signin"
        aria-label={t("Sign in again")}
        onSubmit={(e) => {
          e.preventDefault();
          void this.send(e.currentTarget);
        }}
      >
        <strong>{t("Your session has ended")}</strong>
        <p class="bw-muted bw-note">
          {t("Nothing is lost. Sign in as {name} to go on here.", { name: desk.opened.person.name })}
        </p>
        <label>
          {t("Name")} <input name="username" autocomplete="username" required />
        </label>
        <label>
          {t("Password")} <input name="password" type="password" autocomplete="current-password" required />
        </label>
        {this.state.trouble && (
          <p class="bw-warn bw-note" role="alert">
            {this.state.trouble}
          </p>
        )}
        <button type="submit" class="bw-button is-primary" disabled={this.state.busy}>
          {t("Sign in")}
        </button>
      </form>
    );
  }
}
