/* state.h -- what all methods of membership share: call_service(). Private to this folder. */
#ifndef CAMPUS_MEMBERSHIP_STATE_H
#define CAMPUS_MEMBERSHIP_STATE_H

struct membership {
    struct provider *provider; /* of the single sign-on; NULL: there is none */
};

#endif
