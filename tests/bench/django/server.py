"""server.py -- a peer of `make bench`: GET /v1/people/{id} by Django REST framework, gunicorn and psycopg, as of Debian.

What a campus would else write, in its quickest form: no middleware, no serializer between the row and the JSON, a connection
that each thread keeps, the token checked from memory. From the environment: TOKEN, STATEMENT (with %(id)s, %(caller_person)s and
%(scopes)s), SEARCH_PATH, PGHOST, PGUSER, PGDATABASE.
"""

import os

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    MIDDLEWARE=[],
    INSTALLED_APPS=["rest_framework"],
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["PGHOST"], "USER": os.environ["PGUSER"], "NAME": os.environ["PGDATABASE"],
        "CONN_MAX_AGE": None,
        "OPTIONS": {"options": f"-c search_path={os.environ['SEARCH_PATH']} -c jit=off"},
    }},
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "UNAUTHENTICATED_USER": None,
    })
django.setup()

# Only what is configured can be imported.
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.urls import path
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import NotFound
from rest_framework.permissions import BasePermission
from rest_framework.response import Response
from rest_framework.views import APIView

CALLERS = {f"Bearer {os.environ['TOKEN']}": {"caller_person": None, "scopes": '{""}'}}
STATEMENT = os.environ["STATEMENT"]


class KeyAuthentication(BaseAuthentication):
    def authenticate(self, request):
        caller = CALLERS.get(request.META.get("HTTP_AUTHORIZATION"))
        return (caller, None) if caller else None

    def authenticate_header(self, request):
        return "Bearer"


class HasKey(BasePermission):
    def has_permission(self, request, view):
        return request.user is not None


class PersonView(APIView):
    authentication_classes = [KeyAuthentication]
    permission_classes = [HasKey]

    def get(self, request, id):
        with connection.cursor() as cursor:
            cursor.execute(STATEMENT, {"id": id, **request.user})
            row = cursor.fetchone()
            if row is None:
                raise NotFound
            person = dict(zip((column.name for column in cursor.description), row))
        return Response(person, headers={"ETag": f'"{person["version"]}"'})


urlpatterns = [path("v1/people/<uuid:id>", PersonView.as_view())]
application = get_wsgi_application()
