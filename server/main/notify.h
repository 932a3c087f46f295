/* server/main/notify.h - tells systemd that the server is ready, stopping, alive (sd_notify(3), one datagram; no library). Without
** NOTIFY_SOCKET in the environment nothing happens. */
#ifndef FF_SERVER_MAIN_NOTIFY_H
#define FF_SERVER_MAIN_NOTIFY_H

void ff_notify(const char *state); /* "READY=1", "STOPPING=1", "WATCHDOG=1" */
/* Seconds between signs of life that WATCHDOG_USEC asks for (half of it); 0: none. */
double ff_notify_interval(void);

#endif
