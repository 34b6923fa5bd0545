// Root for ordinary users, as far as their own files are concerned.
#pragma once

namespace cim::working {

// Makes this process, which must have a single thread, root of a user namespace of its own. The
// user is root there, and other users and groups have ids if the system gives the user some
// (subuid(5)). Throws Error: access_denied if the system does not let users do that.
void enter_user_namespace();

}  // namespace cim::working
