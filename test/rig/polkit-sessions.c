/*
 * Preloaded into the rig's polkitd in place of two of libsystemd's answers, which come from cgroups.
 *
 * Where logind runs, a person's programs lie below user-UID.slice, in a session's scope or under the user's service
 * manager. The rig makes no cgroups: here every process counts as one of the user's service manager, so that polkitd
 * goes on to the user's display session, sd_uid_get_display(3), and reads that from logind's files by itself.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/types.h>

int sd_pid_get_session(pid_t pid, char **session) {
  (void)pid;
  (void)session;
  return -ENODATA;
}

int sd_pid_get_owner_uid(pid_t pid, uid_t *uid) {
  char line[256];
  unsigned real = 0;
  int found = 0;
  snprintf(line, sizeof line, "/proc/%d/status", (int)pid);
  FILE *status = fopen(line, "re");
  if (status == NULL) return -ESRCH;
  while (!found && fgets(line, sizeof line, status) != NULL) found = sscanf(line, "Uid: %u", &real) == 1;
  fclose(status);
  /* Root's are system services. */
  if (!found || real == 0) return -ENODATA;
  *uid = real;
  return 0;
}

/* polkit 124 and later ask by pidfd. */
int sd_pidfd_get_session(int pidfd, char **session) {
  (void)pidfd;
  (void)session;
  return -ENODATA;
}

int sd_pidfd_get_owner_uid(int pidfd, uid_t *uid) {
  char line[256];
  int pid = 0;
  int found = 0;
  snprintf(line, sizeof line, "/proc/self/fdinfo/%d", pidfd);
  FILE *info = fopen(line, "re");
  if (info == NULL) return -EBADF;
  while (!found && fgets(line, sizeof line, info) != NULL) found = sscanf(line, "Pid: %d", &pid) == 1;
  fclose(info);
  return found && pid > 0 ? sd_pid_get_owner_uid(pid, uid) : -ESRCH;
}
