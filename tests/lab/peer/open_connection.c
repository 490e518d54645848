/* Writes to Pacemaker's CIB over one open connection, for the comparison of writes: sets a permanent attribute of a
 * node again and again, each time when the last change is acknowledged. Pacemaker has no program that does this.
 *
 * usage: open-connection SECONDS NODE-ID NODE-NAME ATTRIBUTE
 *
 * Prints how many microseconds each write took, a line each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <crm/cib.h>
#include <crm/common/xml.h>

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int count, char **words)
{
    cib_t *cib = cib_new();
    double end;
    int result = cib->cmds->signon(cib, "open-connection", cib_command);

    if (count != 5 || result != pcmk_ok) {
        fprintf(stderr, "connecting to the CIB: %s\n", pcmk_strerror(result));
        return 1;
    }
    end = now() + atof(words[1]);
    for (int number = 0; now() < end; number++) {
        char text[512];
        xmlNode *change;
        double began;

        snprintf(text, sizeof text,
                 "<node id=\"%s\" uname=\"%s\"><instance_attributes id=\"nodes-%s\">"
                 "<nvpair id=\"nodes-%s-%s\" name=\"%s\" value=\"%d\"/></instance_attributes></node>",
                 words[2], words[3], words[2], words[2], words[4], words[4], number);
        change = string2xml(text);
        began = now();
        result = cib->cmds->modify(cib, "nodes", change, cib_sync_call);
        if (result != pcmk_ok) {
            fprintf(stderr, "changing the CIB: %s\n", pcmk_strerror(result));
            return 1;
        }
        printf("%.0f\n", (now() - began) * 1e6);
        free_xml(change);
    }
    cib->cmds->signoff(cib);
    cib_delete(cib);
    return 0;
}
